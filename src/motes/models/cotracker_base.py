"""Parts that all CoTracker versions share: frame features, window state, initial estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from motes.features.correlation import query_patches
from motes.features.encoder import FrameEncoder, encode_video
from motes.features.overlap import frames_first, query_in_window, repeat_last
from motes.models.base import FeatureMaps, PointModel, Prediction, Schedule, State, Trace


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the frame encoder, shared by all versions; the defaults are the published ones."""

    stride: int = 4  # pixels per cell of the finest feature map
    encoder_widths: tuple[int, ...] = (64, 96, 128, 128)  # at 1/2, 1/4, 1/8, 1/16 of the frame
    encoder_mixed: int = 256  # where these are joined
    channels: int = 128  # of the feature maps
    levels: int = 4  # of the pyramid
    radius: int = 3  # patches are 7 x 7


@dataclass(frozen=True)
class CoTrackerState(State):
    """State between windows of S frames.

    Attributes:
        started: bool ``[B, N]``, whether a window has contained the frame of the query.
        support: Features around the query, per level ``[B, N, K, C]``; zero until started.
        xy: ``[B, N, S, 2]``, cells of the feature map, in the frames of the last window.
        logits: ``[B, N, S, L]``, of visibility (and confidence) in these frames.
        first: Number of the first of these frames.
    """

    started: Tensor
    support: tuple[Tensor, ...]
    xy: Tensor
    logits: Tensor
    first: int = 0

    def overlap(self, start: int) -> int:
        """Number of frames that the last window shares with one that starts at frame `start`."""
        return max(self.xy.shape[2] - (start - self.first), 0)


class Estimate(NamedTuple):
    """Tracks in the middle of refinement: cells ``[B, N, S, 2]``, logits ``[B, N, S, L]``."""

    xy: Tensor
    logits: Tensor


class CoTrackerBase(PointModel):
    """Frame features, state and initial estimate of a CoTracker; a version adds `advance`.

    Attributes:
        normalised: Whether feature vectors have length 1.
        support_radius: Radius of the patches around queries.
        support_levels: Number of pyramid levels from which these are taken; None: all.
        num_logits: Logits L per point and frame: visibility, or visibility and confidence.
        initial_logit: Logits of points in the window of their query.
    """

    normalised: bool = False
    support_radius: int = 0
    support_levels: int | None = None
    num_logits: int = 1
    initial_logit: float = 0.0

    def __init__(self, config: EncoderConfig, window: int | None, iterations: int) -> None:
        """Make the frame encoder.

        Args:
            config: Sizes of the encoder.
            window: Frames that are refined together, half of which overlap with the next window;
                None: the whole video at once.
            iterations: Number of refinements by default.
        """
        super().__init__()
        self.schedule = Schedule() if window is None else half_overlapping(window)
        self.stride = self.multiple = config.stride
        self.iterations = iterations
        self.levels, self.channels = config.levels, config.channels
        self.encoder = FrameEncoder(
            config.encoder_widths, config.encoder_mixed, config.channels, config.stride
        )

    def encode(self, video: Tensor) -> FeatureMaps:
        """Feature pyramid of frames ``[B, T, 3, H, W]``, per level ``[B, T, h, w, C]``."""
        return FeatureMaps(encode_video(self.encoder, video, self.levels, self.normalised))

    def start(
        self, queries: Tensor, num_frames: int | None = None, schedule: Schedule | None = None
    ) -> CoTrackerState:
        """No query has started; see `PointModel.start`."""
        (B, N, _), S = queries.shape, (schedule or self.schedule).window or 0
        patch = (2 * self.support_radius + 1) ** 2
        support = self.encoder.out.weight.new_zeros(B, N, patch, self.channels)
        return CoTrackerState(
            started=torch.zeros(B, N, dtype=torch.bool, device=queries.device),
            support=(support,) * (self.support_levels or self.levels),
            xy=queries.new_zeros(B, N, S, 2),
            logits=queries.new_zeros(B, N, S, self.num_logits),
        )

    def initial_estimate(
        self, state: CoTrackerState, queries: Tensor, start: int, frames: int
    ) -> Estimate:
        """Where refinement of a window starts.

        Points go on from the overlap with the last window, whose last frame is repeated; points
        that have not started rest at their query.

        Args:
            state: After the last window.
            queries: ``[B, N, 3]``.
            start: Number of the first frame of this window.
            frames: Number of frames that are there; without windows these are refined, with
                windows always S frames.
        """
        length, overlap = state.xy.shape[2] or frames, state.overlap(start)
        xy = (queries[:, :, None, 1:] / self.stride).expand(-1, -1, length, -1)
        logits = xy.new_full((*xy.shape[:3], self.num_logits), self.initial_logit)
        if not overlap:
            return Estimate(xy, logits)
        started = state.started[..., None, None]
        before = (repeat_last(v[:, :, -overlap:], length) for v in (state.xy, state.logits))
        return Estimate(
            *(torch.where(started, *pair) for pair in zip(before, (xy, logits), strict=True))
        )

    def add_queries(
        self, state: CoTrackerState, features: FeatureMaps, queries: Tensor, start: int
    ) -> CoTrackerState:
        """Take the features around queries whose frame is in this window."""
        t, here = query_in_window(queries, start, len(features))
        new = here & ~state.started
        levels = features.levels[: self.support_levels]
        cells = queries[..., 1:] / self.stride
        sampled = query_patches(levels, t, cells, self.support_radius)
        pairs = zip(sampled, state.support, strict=True)
        support = tuple(torch.where(new[..., None, None], a, b) for a, b in pairs)
        return replace(state, started=state.started | new, support=support)

    def finish(
        self,
        state: CoTrackerState,
        positions: Sequence[Tensor],
        logits: Sequence[Tensor],
        start: int,
        frames: int,
    ) -> tuple[Prediction, CoTrackerState]:
        """The prediction for the frames that are there, and the state after a window.

        Args:
            state: With the queries of this window.
            positions: After each iteration ``[B, N, S, 2]``, cells.
            logits: After each iteration, or the last one alone, ``[B, N, S, L]``.
            start: Number of the first frame of the window.
            frames: Number of frames that are there.
        """
        xy = tuple(frames_first(p, frames) * self.stride for p in positions)
        by_kind = zip(*(frames_first(v, frames).unbind(-1) for v in logits), strict=True)
        visibility, *confidence = by_kind  # per kind, one entry per iteration
        trace = Trace(start, xy, visibility, *confidence) if self.training else None
        kinds = (visibility, *confidence)
        prediction = Prediction(xy[-1], *(kind[-1].sigmoid() for kind in kinds))
        if state.xy.shape[2]:
            state = replace(state, xy=positions[-1], logits=logits[-1], first=start)
        return replace(prediction, aux=trace), state


def half_overlapping(window: int, by_confidence: bool = False) -> Schedule:
    """Windows that advance by half their length."""
    step = window // 2
    return Schedule(window, step, final=step, by_confidence=by_confidence)
