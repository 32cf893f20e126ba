"""CoTracker2 and 2.1: windows, virtual tracks, and a feature per point that is refined with it.

Karaev et al., "CoTracker: It is Better to Track Together", ECCV 2024, arXiv 2307.07635v3.

    features of all frames, pyramid; a feature for each query
    for each window: start from the estimates of the last window
        repeat: correlate -> tokens -> transformer -> update positions and point features
        visibility from the point features

Version 2.1 is the same architecture with windows of 16 frames instead of 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from motes.coordinates import ResizeRule
from motes.features.attention import init_linear
from motes.features.correlation import point_correlation
from motes.features.embeddings import HarmonicEmbedding, embed_position, time_table
from motes.features.sampling import Outside
from motes.features.transformer import AxialTransformer, ProxyTransformer
from motes.models.base import FeatureMaps, Prediction
from motes.models.cotracker_base import CoTrackerBase, CoTrackerState, EncoderConfig
from motes.models.naming import rename_with
from motes.models.preset import Preset, Support, WeightsInfo


@dataclass(frozen=True)
class CoTracker2Config(EncoderConfig):
    """Sizes of a CoTracker2; the defaults are the published ones."""

    window: int = 8  # frames refined together
    frequencies: int = 32  # of the displacement embedding
    width: int = 384  # of the transformer
    heads: int = 8
    depth: int = 6  # rounds of time and space attention
    virtual_tracks: int = 64
    position_cells: tuple[int, int] = (128, 96)  # (x, y) that the position embedding covers
    iterations: int = 6


class CoTracker2(CoTrackerBase):
    """Joint point tracker that refines positions and features of points in windows."""

    support_levels = 1  # a single feature per query
    initial_logit = 10.0  # points start visible
    outside: Outside = "border"  # what correlations read outside the feature maps

    times: Tensor

    def __init__(self, config: CoTracker2Config) -> None:
        c = self.config = config
        super().__init__(c, c.window, c.iterations)
        self.point_bytes = 100 * c.width
        self.embed = HarmonicEmbedding(2, c.frequencies)
        correlations = c.levels * (2 * c.radius + 1) ** 2
        self.token = self.embed.out_channels + correlations + c.channels + 2
        self.transformer = self._transformer(c)
        self.update = nn.Linear(self.transformer.out_channels, 2 + c.channels)
        init_linear(self.update)
        self.refine = FeatureUpdate(c.channels)
        self.scoring = nn.Linear(c.channels, 1)
        self.register_buffer("times", time_table(c.window, self.token), persistent=False)

    def _transformer(self, c: Any) -> ProxyTransformer | AxialTransformer:
        return ProxyTransformer(self.token, c.width, c.heads, c.depth, c.virtual_tracks)

    @property
    def iterated(self) -> tuple[nn.Module, ...]:
        """The transformer."""
        return (self.transformer,)

    def advance(
        self,
        state: CoTrackerState,
        features: FeatureMaps,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: None = None,
    ) -> tuple[Prediction, CoTrackerState]:
        """Refine one window; see `PointModel.advance`."""
        xy, visibility = self.initial_estimate(state, queries, start, len(features))
        inputs = torch.cat([self._query_mask(state, queries, start), visibility], -1)
        state = self.add_queries(state, features, queries, start)
        point_features = state.support[0].expand(-1, -1, self.config.window, -1)
        position = embed_position(xy[:, :, 0], self.config.position_cells, self.token)
        fixed = position[:, :, None] + self.times
        positions = []
        for _ in range(iterations or self.iterations or 1):
            xy = xy.detach()
            tokens = self._tokens(xy, point_features, inputs, fixed, features)
            change = self.update(self.transformer(tokens, state.started))
            xy = xy + change[..., :2].float()
            point_features = point_features + self.refine(change[..., 2:])
            positions.append(xy)
        visibility = self.scoring(point_features).float()
        return self.finish(state, positions, [visibility], start, len(features))

    def _query_mask(self, state: CoTrackerState, queries: Tensor, start: int) -> Tensor:
        """1 in frames from the query on that are new in this window, ``[B, N, S, 1]``."""
        frame = torch.arange(self.config.window, device=queries.device)
        after_query = queries[..., :1].long() <= start + frame
        new = frame >= (state.overlap(start) if start else 0)
        return (after_query & new)[..., None].float()

    def _tokens(
        self,
        xy: Tensor,
        point_features: Tensor,
        inputs: Tensor,
        fixed: Tensor,
        features: FeatureMaps,
    ) -> Tensor:
        """Input of the transformer for each point and frame, ``[B, N, S, D]``."""
        correlation = point_correlation(
            features.levels, point_features, xy, self.config.radius, self.outside
        )
        parts = [self.embed(xy - xy[:, :, :1]), correlation, point_features, inputs]
        dtype = point_features.dtype
        return torch.cat([p.to(dtype) for p in parts], -1) + fixed.to(dtype)


class FeatureUpdate(nn.Module):
    """From the transformer's output to a change of a point's feature."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-5)
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., C]`` to ``[..., C]``."""
        return nn.functional.gelu(self.linear(self.norm(x)))


rename = rename_with(
    (r"^updateformer\.flow_head", "update"),
    (r"^norm\.", "refine.norm."),
    (r"^track_feat_updater\.0", "refine.linear"),
    (r"^vis_predictor\.0", "scoring"),
    (r"^(time_emb|pos_emb)$", None),
)
"""From the keys of the official checkpoints to those of the module."""


def configure(config: CoTracker2Config, tensors: Mapping[str, Tensor]) -> CoTracker2Config:
    """Take the length of the window from a checkpoint."""
    if "time_emb" not in tensors:
        return config
    return replace(config, window=tensors["time_emb"].shape[1])


def _preset(name: str, summary: str, window: int, filename: str) -> Preset:
    return Preset(
        name=name,
        summary=summary,
        build=CoTracker2,
        config=CoTracker2Config(window=window),
        resize=ResizeRule(size=(384, 512), corners=True),
        visible_above=0.9,
        support=Support(global_grid=6, below=36),
        weights=WeightsInfo("CC-BY-NC-4.0", filename, repo="facebook/cotracker"),
        rename=rename,
        configure=configure,
    )


PRESETS = (
    _preset("cotracker2", "CoTracker2, windows of 8 frames", 8, "cotracker2.pth"),
    _preset("cotracker2.1", "CoTracker2.1, windows of 16 frames", 16, "cotracker2v1.pth"),
)
