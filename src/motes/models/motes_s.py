"""motes-s: several classical candidates per point and frame, refined by a small network.

    candidates of all points in all frames of a window: dense flow in several ways
    features of the frames; patches around the queries
    repeat: match patches, describe candidates -> tokens -> transformer -> choose, move, score

Dense flow tracks a point to within a pixel in most short steps.  It drifts over many steps, and it
does not tell when a point is hidden or lost.  The network does not search: it chooses among the
candidates, from all points together over 16 frames, and corrects the rest.  Its parts are those of
CoTracker3 (`motes.models.cotracker3`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.coordinates import ResizeRule
from motes.features.attention import init_linear
from motes.features.candidates import KINDS, WORST_ERROR, Candidates
from motes.features.chooser import Chooser, similarity
from motes.features.correlation import Match, PeakCorrelation
from motes.features.embeddings import OctaveEmbedding, resize_time, time_table
from motes.features.transformer import ProxyTransformer
from motes.models.candidate_base import CandidateConfig, CandidateModel, Estimate
from motes.models.cotracker3 import displacements
from motes.models.preset import Accuracy, Preset, Support, WeightsInfo

INITIAL_GATE = -3.0
"""Logit of the gate of the correlation peaks, before training."""

INITIAL_SUMMARY = 0.03
"""Standard deviation of the weights that read the summaries of candidates, before training."""


@dataclass(frozen=True)
class MotesSConfig(CandidateConfig):
    """Candidates, windows, encoder, and the network that chooses and refines."""

    match_hidden: int = 96  # MLP that embeds the match of two patches
    match_out: int = 48  # its output channels per level
    octaves: int = 6  # of the displacement embedding
    width: int = 128  # of the transformer
    heads: int = 4
    depth: int = 2  # rounds of time and space attention
    virtual_tracks: int = 16
    unit: float = 64.0  # displacements are divided by this number of pixels


class Options(NamedTuple):
    """K candidates for each point and frame of a window, as refinement reads them.

    Attributes:
        xy: ``[B, N, S, K, 2]``, cells of the finest level.
        error: ``[B, N, S, K]``, pixels of the frames that the network reads; at most `WORST_ERROR`.
        similar: ``[B, N, S, K, 7]``, see `motes.features.chooser.similarity`.
        mask: bool ``[B, N, S, K]``, what can be chosen.
    """

    xy: Tensor
    error: Tensor
    similar: Tensor
    mask: Tensor

    @staticmethod
    def of(candidates: Candidates, similar: Tensor, choosing: bool) -> Options:
        """The candidates; if not `choosing`, none can be chosen."""
        error = candidates.error
        mask = error.isfinite() & choosing
        return Options(candidates.xy, error.clamp(max=WORST_ERROR), similar, mask)


class MotesS(CandidateModel):
    """Chooses among candidates and refines them, with attention among the points."""

    config: MotesSConfig
    times: Tensor

    def __init__(self, config: MotesSConfig) -> None:
        super().__init__(config)
        c = config
        self.point_bytes = 20_000  # 12,400 between 500 and 2,000 points: benchmarks/memory.py
        self.match = PeakCorrelation(c.radius, c.levels, c.match_hidden, c.match_out)
        self.embed = OctaveEmbedding(4, c.octaves)
        self.chooser = Chooser(len(KINDS), c.width)
        point = 2 + self.match.out_channels + self.embed.out_channels
        token = point + self.chooser.out_channels
        self.transformer = ProxyTransformer(
            token, c.width, c.heads, c.depth, c.virtual_tracks, as_published=False
        )
        self.gate = nn.Linear(c.width, c.levels)
        self.motion = nn.Linear(c.width, 2)
        self.scoring = nn.Linear(c.width, 2)
        self._initialise()
        self.register_buffer("times", time_table(c.frames, point), persistent=False)

    def _initialise(self) -> None:
        for head in (self.motion, self.scoring):
            init_linear(head)
            nn.init.trunc_normal_(head.weight, std=0.001)
        nn.init.normal_(self.gate.weight, std=0.01)
        nn.init.constant_(self.gate.bias, INITIAL_GATE)
        columns = self.transformer.input.weight[:, -self.chooser.out_channels :]
        nn.init.normal_(columns, std=INITIAL_SUMMARY)

    @property
    def iterated(self) -> tuple[nn.Module, ...]:
        """The transformer."""
        return (self.transformer,)

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
        """Choose and refine; see `CandidateModel.refine`."""
        indices = self.kind_indices(kinds)
        options = self.options(levels, support, candidates)
        now, history = self.initial(candidates, size, kinds), []
        for _ in range(iterations or self.config.iterations):
            now = self.update(now, levels, support, options, indices, known)
            history.append(now)
        return history

    def options(
        self, levels: Sequence[Tensor], support: Sequence[Tensor], candidates: Candidates
    ) -> Options:
        """Compare the candidates of a window with the queries; arguments as for `refine`."""
        similar = similarity(levels, support, candidates.xy, self.config.radius)
        return Options.of(candidates, similar, self.config.choosing)

    def update(
        self,
        now: Estimate,
        levels: Sequence[Tensor],
        support: Sequence[Tensor],
        options: Options,
        kinds: Sequence[int],
        known: Tensor | None = None,
    ) -> Estimate:
        """One iteration.  Positions pass no gradient from one iteration to the next.

        Args:
            now: The estimate before.
            levels: As for `refine`.
            support: As for `refine`.
            options: The candidates.
            kinds: Indices of their kinds.
            known: As for `refine`.
        """
        xy = now.xy.detach()
        offset = options.xy - xy[..., None, :]
        facts = options.error, options.similar, options.mask
        summary = self.chooser.summarise(offset, *facts, kinds)
        match = self.match.match(levels, support, xy)
        x = self.transformer(self._tokens(xy, now.scores, match, summary), known)
        choice = self.chooser(x, summary[..., kinds, :], options.mask)
        move = self._move(x, choice, offset, match) + self.motion(x).float()
        return Estimate(xy + move, now.scores + self.scoring(x).float(), choice, match.logits)

    def _tokens(self, xy: Tensor, scores: Tensor, match: Match, summary: Tensor) -> Tensor:
        """Input of the transformer for each point and frame, ``[B, N, S, D]``."""
        steps = self.embed(displacements(xy) * self.stride / self.config.unit)
        point = torch.cat([scores, match.embedding, steps], -1)
        point = point + resize_time(self.times, xy.shape[2])
        return torch.cat([point, summary.flatten(-2).to(point.dtype)], -1)

    def _move(self, x: Tensor, choice: Tensor, offset: Tensor, match: Match) -> Tensor:
        """Position update: to the chosen candidate, or along the gated correlation peaks.

        The forward pass uses the hard choice, the gradient the soft one (straight-through).
        """
        soft = choice.softmax(-1)
        hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).float()
        weight = (hard + soft - soft.detach())[..., None] if soft.requires_grad else hard[..., None]
        gate = self.gate(x).float().sigmoid()[..., None]
        stay, chosen = weight[..., 0, :], weight[..., 1:, :]
        return (chosen * offset).sum(-2) + stay * (gate * match.offsets).sum(-2)


MOTES_S = Preset(
    name="motes-s",
    summary="chooses among several dense flows and refines them; 2 million parameters",
    build=MotesS,
    config=MotesSConfig(),
    resize=ResizeRule(long_side=512, multiple=2),
    visible_above=0.3,
    score_with_confidence=True,
    support=Support(global_grid=5, local_grid=4, local_extent=32.0, below=8),
    bfloat16=True,
    weights=WeightsInfo(
        "Apache-2.0",
        "motes-s.safetensors",
        embedded=True,
        sha256="7b698fc6408df2d55409bf8a8f4fc1b948b218afd694de66496934ff0cc50359",
    ),
    accuracy=Accuracy(
        64.0, 75.0, 87.2, "rendered validation clips, native-joint, 256 points (docs/motes-s.md)"
    ),
)
"""The flow works at 512 pixels on the long side, as in the `flow` preset; the network at 256."""
