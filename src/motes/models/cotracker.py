"""CoTracker, the first version: windows, attention over time and over points in turns.

Karaev et al., "CoTracker: It is Better to Track Together", arXiv 2307.07635v1.

    features of all frames, pyramid
    for each window: the points that have started, from the estimates of the last window
        repeat: correlate -> tokens -> transformer -> update positions and point features
        visibility from the point features

Points attend to each other directly, and take part from the window of their query on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from motes.coordinates import ResizeRule
from motes.features.embeddings import embed_position
from motes.features.transformer import AxialTransformer
from motes.models.base import FeatureMaps, Prediction
from motes.models.cotracker2 import CoTracker2
from motes.models.cotracker_base import CoTrackerState, EncoderConfig
from motes.models.naming import rename_with
from motes.models.preset import Preset, Support, WeightsInfo


@dataclass(frozen=True)
class CoTrackerConfig(EncoderConfig):
    """Sizes of a CoTracker; the defaults are those of the first published model."""

    window: int = 8  # frames refined together; even
    frequencies: int = 32  # of the displacement embedding
    width: int = 384  # of the transformer
    heads: int = 8
    depth: int = 6  # rounds of time and space attention
    iterations: int = 6


class CoTracker(CoTracker2):
    """Joint point tracker in which every point attends to every other.

    It shares its heads, features and state with its successor.
    """

    outside = "zero"

    def _transformer(self, c: CoTrackerConfig) -> AxialTransformer:
        return AxialTransformer(self.token, c.width, c.heads, c.depth)

    def advance(
        self,
        state: CoTrackerState,
        features: FeatureMaps,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: None = None,
    ) -> tuple[Prediction, CoTrackerState]:
        """Refine one window; see `PointModel.advance`.

        Videos of a batch are refined one by one, because the number of points that have started
        differs.  The other points are at (0, 0) with visibility 0.5.
        """
        xy, visibility = self.initial_estimate(state, queries, start, len(features))
        mask = self._new_frames(state, queries, start, len(features))
        state = self.add_queries(state, features, queries, start)
        rounds = iterations or self.iterations or 1
        positions = [torch.zeros_like(xy) for _ in range(rounds)]
        logits = torch.zeros_like(visibility)
        for b, video in enumerate(features.videos()):
            order = queries[b, :, 0].long().argsort(stable=True)
            order = order[state.started[b, order]]
            if not len(order):
                continue
            inputs = [v[b : b + 1, order] for v in (state.support[0], xy, mask, visibility)]
            refined = self._refine(video, rounds, *inputs)
            for full, part in zip((*positions, logits), refined, strict=True):
                full[b, order] = part[0]
        return self.finish(state, positions, [logits], start, len(features))

    def _new_frames(
        self, state: CoTrackerState, queries: Tensor, start: int, frames: int
    ) -> Tensor:
        """1 in frames from the query on that are new to the point, ``[B, N, S, 1]``."""
        frame = torch.arange(self.config.window, device=queries.device)
        after_query = queries[..., :1].long() <= start + frame
        new = ~state.started[..., None] | (frame >= state.overlap(start))
        return (after_query & new & (frame < frames))[..., None].float()

    def _refine(
        self,
        video: FeatureMaps,
        rounds: int,
        support: Tensor,
        xy: Tensor,
        mask: Tensor,
        visibility: Tensor,
    ) -> list[Tensor]:
        """All iterations for the points of one video, in order of their query frames.

        Returns:
            Positions after each iteration, then logits of visibility.
        """
        point_features = support.expand(-1, -1, self.config.window, -1)
        h, w = video.levels[0].shape[2:4]
        fixed = embed_position(xy[:, :, 0], (w, h), self.token)[:, :, None] + self.times
        inputs = interleaved(mask, visibility)
        positions = []
        for _ in range(rounds):
            xy = xy.detach()
            tokens = self._tokens(xy, point_features, inputs, fixed, video)
            change = self.update(self.transformer(tokens))
            xy = xy + change[..., :2].float()
            point_features = point_features + self.refine(change[..., 2:])
            positions.append(xy)
        return [*positions, self.scoring(point_features).float()]


def interleaved(mask: Tensor, visibility: Tensor) -> Tensor:
    """Mask and visibility ``[1, N, S, 1]`` as two input channels ``[1, N, S, 2]`` of the tokens.

    The published model concatenates them along the points and reshapes, so that a token gets the
    values of other points and frames.  Its weights were trained that way, so this is kept; it makes
    results depend on the order of the points (docs/cotracker.md, quirks).
    """
    _, N, S, _ = mask.shape
    return torch.cat([mask, visibility], 1).reshape(1, N, S, 2)


_rename = rename_with(
    (r"\.proj\.", ".to_out."),
    (r"^updateformer\.flow_head", "update"),
    (r"^norm\.", "refine.norm."),
    (r"^ffeat_updater\.0", "refine.linear"),
    (r"^vis_predictor\.0", "scoring"),
)


def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From the keys of the official checkpoints to those of the module.

    The fused projection to queries, keys and values is split.
    """
    split = {}
    for key, value in tensors.items():
        if ".qkv." in key:
            third = len(value) // 3
            split[key.replace("qkv", "to_q")] = value[:third]
            split[key.replace("qkv", "to_kv")] = value[third:]
        else:
            split[key] = value
    return _rename(split)


def _preset(name: str, stride: int, window: int) -> Preset:
    filename = f"cotracker_stride_{stride}_wind_{window}.pth"
    return Preset(
        name=name,
        summary=f"CoTracker, stride {stride}, windows of {window} frames",
        build=CoTracker,
        config=CoTrackerConfig(stride=stride, window=window),
        resize=ResizeRule(size=(384, 512)),
        visible_above=0.9,
        support=Support(global_grid=6, below=36),
        weights=WeightsInfo("CC-BY-NC-4.0", filename, repo="facebook/cotracker"),
        rename=rename,
    )


PRESETS = (
    _preset("cotracker", 4, 8),
    _preset("cotracker-stride4-wind12", 4, 12),
    _preset("cotracker-stride8-wind16", 8, 16),
)
