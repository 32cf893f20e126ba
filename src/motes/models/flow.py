"""Dense optical flow, chained over steps of several lengths: a classical tracker, no weights.

The flow is DIS (Kroeger et al., 2016); the chain is that of MFT (Neoral, Serych and Matas, "MFT:
Long-Term Tracking of Every Pixel", 2024), see `motes.features.flow_chain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.coordinates import ResizeRule
from motes.features.flow_chain import compute_steps, compute_steps_ahead, follow
from motes.features.flow_fields import (
    FLOW_CACHE_BYTES,
    SEARCH_BYTES,
    FlowCache,
    FlowFields,
    frame_hashes,
    grey,
)
from motes.features.overlap import frames_first
from motes.models.base import Features, PointModel, Prediction, Schedule, State
from motes.models.preset import Accuracy, Preset


@dataclass(frozen=True)
class FlowConfig:
    """Settings of the tracker."""

    deltas: tuple[int, ...] = (1, 2, 6, 16)  # lengths of the steps in frames
    window_step: int = 8  # frames from one window to the next
    tolerance: float = 4.0  # error in pixels of the input at which the confidence is one half


@dataclass(frozen=True)
class FlowFrames(Features):
    """Frames between which flow is computed.

    Attributes:
        grey: uint8 ``[B, T, H, W]``.
        hashes: int64 ``[B, T]``, of the contents of each frame.
    """

    grey: Tensor
    hashes: Tensor


@dataclass(frozen=True)
class FlowState(State):
    """Positions in the S frames of the last window.

    Attributes:
        xy: ``[B, N, S, 2]``, pixels.
        inverse_error: ``[B, N, S]``, 1 / (1 + error in pixels); 0 where the position is unknown.
        first: Number of the first of these frames.
    """

    xy: Tensor
    inverse_error: Tensor
    first: int = 0


class DenseFlow(PointModel):
    """Tracks each point with the flow of the whole frame, independently of other points."""

    features_type = FlowFrames
    joint = False
    point_bytes = 1_000
    pixel_bytes = SEARCH_BYTES
    cache_bytes = FLOW_CACHE_BYTES

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        # One frame more than the longest step: its initial flow needs the frame before.
        self.look_back = 1 + max(config.deltas)
        window = self.look_back + config.window_step
        self.schedule = Schedule(window, config.window_step, final=window)

    def new_cache(self, limit: int) -> FlowCache:
        """An empty cache of flow fields."""
        return FlowCache(limit)

    def encode(self, video: Tensor) -> FlowFrames:
        """Frames in grey, with their hashes."""
        frames = grey(video)
        return FlowFrames(frames, frame_hashes(frames))

    def start(
        self, queries: Tensor, num_frames: int | None = None, schedule: Schedule | None = None
    ) -> FlowState:
        """No position is known."""
        (B, N, _), S = queries.shape, self.schedule.window or 0
        xy = queries.new_zeros(B, N, S, 2)
        return FlowState(xy, xy[..., 0])

    def advance(
        self,
        state: FlowState,
        features: FlowFrames,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: FlowCache | None = None,
    ) -> tuple[Prediction, FlowState]:
        """Track from the frames in which points are known; see `PointModel.advance`."""
        xy, inverse_error = self._known(state, queries, start)
        T, fields = len(features), self._fields(features, cache)
        xy, error = follow(fields, xy[:, :, :T], 1 / inverse_error[:, :, :T] - 1)
        confidence = 1 / (1 + (error / self.config.tolerance) ** 2)
        confidence = frames_first(confidence[..., None], T)[..., 0]
        state = FlowState(xy, 1 / (1 + error), start)
        return Prediction(frames_first(xy, T), confidence, confidence), state

    def prepare(self, features: FlowFrames, start: int, cache: FlowCache) -> None:
        """Compute the flow that ends in the new frames of a window; see `PointModel.prepare`."""
        known = (self.schedule.window or 0) - self.schedule.step if start else 0
        compute_steps(self._fields(features, cache), known)

    def prepare_ahead(self, frames: Sequence[FlowFrames], new: int, cache: FlowCache) -> None:
        """Begin with the flow that ends in new frames; see `PointModel.prepare_ahead`."""
        features = Features.concat(frames)
        fields = self._fields(features, cache)
        for b in range(len(features) - new, len(features)):
            compute_steps_ahead(fields, b)

    def _fields(self, features: FlowFrames, cache: FlowCache | None) -> FlowFields:
        return FlowFields(features.grey, features.hashes, self.config.deltas, cache)

    def _known(self, state: FlowState, queries: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Positions in all S frames, and what is known of them: from the last window, or a query.

        Unknown positions are those of the query.
        """
        S, passed = state.xy.shape[2], start - state.first
        inverse_error = F.pad(state.inverse_error[:, :, passed:], (0, passed))
        frame = torch.arange(start, start + S, device=queries.device)
        at_query = queries[..., :1].long() == frame  # [B, N, S]
        query = queries[:, :, None, 1:].expand(-1, -1, S, -1)
        before = torch.cat([state.xy[:, :, passed:], query[:, :, :passed]], 2)
        xy = torch.where((at_query | (inverse_error == 0))[..., None], query, before)
        return xy, torch.where(at_query, 1.0, inverse_error)


FLOW = Preset(
    name="flow",
    summary="dense optical flow (DIS), chained over steps of several lengths (classical, CPU)",
    build=DenseFlow,
    config=FlowConfig(),
    resize=ResizeRule(long_side=512),
    accuracy=Accuracy(61.4, 73.5, 86.2),
)
