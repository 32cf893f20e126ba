"""CoTracker2 and 2.1: windows, virtual tracks, and a feature per point that is refined with it.

Karaev et al., "CoTracker: It is Better to Track Together", ECCV 2024, arXiv 2307.07635v3.

    features of all frames, pyramid; a feature for each query
    for each window: start where the last window ended
        repeat: match -> tokens -> transformer -> move points, update their features
        visibility from the features

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
from motes.features.correlation import point_correlation, query_patches
from motes.features.embeddings import HarmonicEmbedding, embed_place, time_table
from motes.features.encoder import FrameEncoder, encode_video
from motes.features.overlap import frames_first, hold, query_in_window
from motes.features.transformer import AxialTransformer, ProxyTransformer
from motes.models.base import Features, PointModel, Prediction, State, Trace
from motes.models.naming import rename_with
from motes.models.preset import Preset, Support, WeightsInfo


@dataclass(frozen=True)
class CoTracker2Config:
    """Sizes of a CoTracker2; the defaults are the published ones."""

    window: int = 8  # frames refined together
    stride: int = 4  # pixels per cell of the finest feature map
    encoder_widths: tuple[int, ...] = (64, 96, 128, 128)  # at 1/2, 1/4, 1/8, 1/16 of the frame
    encoder_mixed: int = 256  # where these are joined
    channels: int = 128  # of the feature maps
    levels: int = 4  # of the pyramid
    radius: int = 3  # patches are 7 x 7
    frequencies: int = 32  # of the displacement embedding
    width: int = 384  # of the transformer
    heads: int = 8
    depth: int = 6  # rounds of time and space attention
    virtual_tracks: int = 64
    place_size: tuple[int, int] = (128, 96)  # cells (x, y) that the place embedding knows
    iterations: int = 6


@dataclass(frozen=True)
class CoTracker2State(State):
    """What the next window needs to know; K frames overlap.

    Attributes:
        met: bool ``[B, N]``: the frame of the query has come.
        feature: ``[B, N, C]`` at the query; zero until met.
        xy: ``[B, N, K, 2]``, cells of the feature map.
        visibility: ``[B, N, K, 1]``, logits.
    """

    met: Tensor
    feature: Tensor
    xy: Tensor
    visibility: Tensor


FRESH_VISIBILITY = 10.0
"""Logit with which a point begins."""


class CoTracker2(PointModel):
    """Joint point tracker that refines positions and features of points in windows."""

    times: Tensor

    def __init__(self, config: CoTracker2Config) -> None:
        super().__init__()
        c = self.config = config
        self.window = c.window
        self.step = c.window // 2
        self.stride = c.stride
        self.iterations = c.iterations
        self.point_bytes = 100 * c.width
        self.encoder = FrameEncoder(c.encoder_widths, c.encoder_mixed, c.channels, c.stride)
        self.embed = HarmonicEmbedding(2, c.frequencies)
        match = c.levels * (2 * c.radius + 1) ** 2
        self.token = self.embed.out_channels + match + c.channels + 2
        self.transformer = self._transformer(c)
        self.update = nn.Linear(self.transformer.out_channels, 2 + c.channels)
        init_linear(self.update)
        self.refine = FeatureUpdate(c.channels)
        self.scoring = nn.Linear(c.channels, 1)
        self.register_buffer("times", time_table(c.window, self.token), persistent=False)

    def _transformer(self, c: Any) -> ProxyTransformer | AxialTransformer:
        """The only part in which CoTracker differs."""
        return ProxyTransformer(self.token, c.width, c.heads, c.depth, c.virtual_tracks)

    @property
    def iterated(self) -> tuple[nn.Module, ...]:
        """The transformer."""
        return (self.transformer,)

    def encode(self, video: Tensor) -> Features:
        """Features, per pyramid level ``[B, T, h, w, C]``."""
        return Features(encode_video(self.encoder, video, self.config.levels))

    def start(self, queries: Tensor) -> CoTracker2State:
        """No query has been met."""
        B, N = queries.shape[:2]
        overlap = queries.new_zeros(B, N, self.config.window - self.step, 2)
        feature = self.update.weight.new_zeros(B, N, self.config.channels)
        met = torch.zeros(B, N, dtype=torch.bool, device=queries.device)
        return CoTracker2State(met, feature, overlap, overlap[..., :1])

    def advance(
        self,
        state: CoTracker2State,
        features: Features,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
    ) -> tuple[Prediction, CoTracker2State]:
        """Refine one window; see `PointModel.advance`."""
        xy, visibility = self._first_guess(state, queries)
        state = self._meet(state, features, queries, start)
        own = state.feature[:, :, None].expand(-1, -1, self.config.window, -1)
        marks = torch.cat([self._marks(queries, start), visibility], -1)
        place = embed_place(xy[:, :, 0], self.config.place_size, self.token)
        fixed = place[:, :, None] + self.times
        history = []
        for _ in range(iterations or self.iterations or 1):
            xy = xy.detach()
            tokens = self._tokens(xy, own, marks, fixed, features)
            change = self.update(self.transformer(tokens, state.met))
            xy = xy + change[..., :2].float()
            own = own + self.refine(change[..., 2:])
            history.append(xy)
        visibility = self.scoring(own).float()
        overlap = slice(self.step, self.window)
        state = replace(state, xy=xy[:, :, overlap], visibility=visibility[:, :, overlap])
        return self._predict(history, visibility, start, len(features)), state

    def _first_guess(self, state: CoTracker2State, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Where the last window left a point; at the query, if it had not been met by then."""
        S = self.config.window
        xy = (queries[:, :, None, 1:] / self.stride).expand(-1, -1, S, -1)
        visibility = torch.full_like(xy[..., :1], FRESH_VISIBILITY)
        if not state.xy.shape[2]:
            return xy, visibility
        met = state.met[..., None, None]
        xy = torch.where(met, hold(state.xy, S), xy)
        return xy, torch.where(met, hold(state.visibility, S), visibility)

    def _meet(
        self, state: CoTracker2State, features: Features, queries: Tensor, start: int
    ) -> CoTracker2State:
        """Take the features at queries whose frame is in this window."""
        t, here = query_in_window(queries, start, len(features))
        (found,) = query_patches(features.levels[:1], t, queries[..., 1:] / self.stride, 0)
        new = here & ~state.met
        feature = torch.where(new[..., None], found[:, :, 0], state.feature)
        return replace(state, met=state.met | new, feature=feature)

    def _marks(self, queries: Tensor, start: int) -> Tensor:
        """1 in frames from the query on that no window has seen yet, ``[B, N, S, 1]``."""
        frame = torch.arange(self.config.window, device=queries.device)
        begun = queries[..., :1].long() <= start + frame
        fresh = frame >= (self.config.window - self.step if start else 0)
        return (begun & fresh)[..., None].float()

    def _tokens(
        self, xy: Tensor, own: Tensor, marks: Tensor, fixed: Tensor, features: Features
    ) -> Tensor:
        """What is known of each point in each frame, ``[B, N, S, D]``."""
        match = point_correlation(features.levels, own, xy, self.config.radius)
        parts = [self.embed(xy - xy[:, :, :1]), match, own, marks]
        return torch.cat([p.to(own.dtype) for p in parts], -1) + fixed.to(own.dtype)

    def _predict(
        self, history: list[Tensor], visibility: Tensor, start: int, frames: int
    ) -> Prediction:
        """The last estimate in pixels and probabilities, for the frames that exist."""
        xy = tuple(frames_first(e, frames) * self.stride for e in history)
        visible = frames_first(visibility, frames)[..., 0]
        aux = Trace(start, xy, (visible,)) if self.training else None
        return Prediction(xy[-1], visible.sigmoid(), None, aux)


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
