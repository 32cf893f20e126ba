"""taptrv2-xs: TAPTRv2's decoder, started from dense flow.

The decoder is that of "TAPTRv2" (arXiv 2407.16291): each point in each frame is a query of content
and position; a layer samples the feature maps by key-aware deformable attention, moves the position
by the logits of that attention, and attends among frames and among points.  Encoder, windows and
candidates are those of motes-s: a position starts at the candidate with the smallest error, and the
summaries of all candidates are part of the content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from motes.coordinates import ResizeRule
from motes.features.candidates import KINDS, WORST_ERROR, Candidates
from motes.features.chooser import Chooser, similarity
from motes.features.mlp import mlp
from motes.features.point_decoder import Decoder, DecoderConfig, Refined, Window
from motes.features.positions import logit
from motes.features.pyramid import Pyramid
from motes.models.candidate_base import (
    STRIDE,
    CandidateConfig,
    CandidateModel,
    Estimate,
)
from motes.models.preset import Preset, Support, WeightsInfo

CONFIDENT, VISIBLE = 0, 1
"""Classes of the decoder.  The paper leaves class 0 unused; here it is the confidence, the second
score of motes-s."""


@dataclass(frozen=True)
class TaptrXsConfig(CandidateConfig):
    """Candidates, windows, encoder, and the decoder."""

    width: int = 96
    heads: int = 4
    samples: int = 4  # positions that a head samples in each feature map
    hidden: int = 384  # hidden width of the MLPs
    depth: int = 3  # layers of the decoder
    proxies: int = 32  # proxy tokens of the attention among points


class TaptrXs(CandidateModel):
    """Points as queries of a decoder, with attention among points of linear cost."""

    config: TaptrXsConfig

    def __init__(self, config: TaptrXsConfig) -> None:
        super().__init__(config)
        c = config
        self.iterations = None  # one per layer
        self.point_bytes = 8_000  # 4,000 between 500 and 2,000 points: benchmarks/memory.py
        self.chooser = Chooser(len(KINDS), c.width)
        self.project = nn.ModuleList(nn.Linear(c.channels, c.width) for _ in range(c.levels))
        facts = c.levels * c.channels + self.chooser.out_channels + 2
        self.query_content = mlp(facts, c.width, c.width)
        self.decoder = Decoder(
            DecoderConfig(
                width=c.width,
                heads=c.heads,
                levels=c.levels,
                samples=c.samples,
                hidden=c.hidden,
                depth=c.depth,
                proxies=c.proxies,
                cost_volume=False,
            )
        )

    def refine(
        self,
        levels: Sequence[Tensor],
        support: Sequence[Tensor],
        candidates: Candidates,
        size: tuple[int, int],
        known: Tensor | None = None,
        iterations: int | None = None,
        kinds: Sequence[str] | None = None,
    ) -> list[Estimate]:
        """Run the decoder; see `CandidateModel.refine`.  An estimate for each layer in training."""
        start = self.initial(candidates, size, kinds)
        content = self._content(levels, support, candidates, start, kinds)  # [B, N, S, C]
        position = _normalised(start.xy, size)
        logits = torch.cat([logit(position), torch.zeros_like(position)], -1)
        window = self._window(levels, known, start.xy)
        layers = self.decoder(content.transpose(1, 2), logits.transpose(1, 2), window)
        return [self._estimate(layer, start, size) for layer in layers]

    def _content(
        self,
        levels: Sequence[Tensor],
        support: Sequence[Tensor],
        candidates: Candidates,
        start: Estimate,
        kinds: Sequence[str] | None,
    ) -> Tensor:
        """Content from the features at the query and the summaries of the candidates."""
        similar = similarity(levels, support, candidates.xy, self.config.radius)
        mask, error = candidates.error.isfinite(), candidates.error.clamp(max=WORST_ERROR)
        offset = candidates.xy - start.xy[..., None, :]
        indices = self.kind_indices(kinds)
        summary = self.chooser.summarise(offset, error, similar, mask, indices).flatten(-2)
        centre = torch.cat([patch[:, :, patch.shape[2] // 2] for patch in support], -1)
        appearance = centre[:, :, None].expand(-1, -1, summary.shape[2], -1)
        facts = (appearance.to(summary.dtype), summary, start.scores.to(summary.dtype))
        return self.query_content(torch.cat(facts, -1))

    def _window(self, levels: Sequence[Tensor], known: Tensor | None, xy: Tensor) -> Window:
        """The decoder's view of the frames; all frames of known points are tracked and updated."""
        pairs = zip(self.project, levels, strict=True)
        tokens = torch.cat([project(m).flatten(2, 3) for project, m in pairs], 2).flatten(0, 1)
        sizes = tuple((m.shape[2], m.shape[3]) for m in levels)
        B, N, S, _ = xy.shape
        mask = torch.ones(B, N, dtype=torch.bool, device=xy.device) if known is None else known
        each = mask[:, None].expand(-1, S, -1)
        return Window(Pyramid(tokens, sizes), each, each)

    def _estimate(self, layer: Refined, start: Estimate, size: tuple[int, int]) -> Estimate:
        """Estimate of one layer: cells, and its logits added to those of the start."""
        positions = layer.positions[..., :2].float().transpose(1, 2).sigmoid()
        scores = layer.classes[..., [VISIBLE, CONFIDENT]].float().transpose(1, 2)
        return Estimate(_cells(positions, size), start.scores + scores)


def _normalised(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """From cells of the finest level to shares of the frame, 0 and 1 at the outer pixel centres."""
    return cells * STRIDE / _last_pixel(cells, size)


def _cells(position: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `_normalised`."""
    return position * _last_pixel(position, size) / STRIDE


def _last_pixel(like: Tensor, size: tuple[int, int]) -> Tensor:
    H, W = size
    return like.new_tensor([W - 1, H - 1])


TAPTR_V2_XS = Preset(
    name="taptrv2-xs",
    summary="TAPTRv2's decoder, started from several dense flows; not trained to the end",
    build=TaptrXs,
    config=TaptrXsConfig(),
    resize=ResizeRule(long_side=512, multiple=2),
    visible_above=0.3,
    score_with_confidence=True,
    support=Support(global_grid=5, local_grid=4, local_extent=32.0, below=8),
    weights=WeightsInfo("Apache-2.0", "taptrv2-xs.safetensors", embedded=True),
)
