"""What the classical baselines share: follow points from frame to frame, and check the way back.

The check is the forward-backward error of Kalal, Mikolajczyk and Matas, "Forward-backward error:
automatic detection of tracking failures", 2010.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from motes.features.flow_fields import grey
from motes.models.base import Features, PointModel, Prediction, State


@dataclass(frozen=True)
class FrameToFrameState(State):
    """Where the points are in the last frame, and how sure that is."""

    xy: Tensor  # [B, N, 2]
    confidence: Tensor  # [B, N]
    begun: Tensor  # bool [B, N], whether the query has come


class FrameToFrame(PointModel):
    """Chains the motion between neighbouring frames; a subclass says how that is found.

    Every step is checked by going back: the further from home that ends, the less sure is the
    point.  Its confidence never rises again, because what was lost is not looked for; yet it keeps
    moving, which is the best guess while it is hidden.

    Attributes:
        tolerance: Forward-backward error in pixels at which the confidence is one half.
    """

    window = 2
    step = 1
    joint = False
    point_bytes = 1_000
    tolerance: float

    @abstractmethod
    def flow(
        self, before: np.ndarray, after: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find points again.

        Args:
            before: uint8 ``[H, W]``, grey.
            after: Likewise.
            points: float32 ``[M, 2]``, where they are in `before`.

        Returns:
            Where they are in `after`, float32 ``[M, 2]``; whether they were found, bool ``[M]``.
        """

    def encode(self, video: Tensor) -> Features:
        """Grey frames, uint8 ``[B, T, 1, H, W]``, weighted as in ITU-R BT.601."""
        return Features((grey(video)[:, :, None],))

    def start(self, queries: Tensor) -> FrameToFrameState:
        """No point has begun."""
        nothing = torch.zeros_like(queries[..., 0])
        return FrameToFrameState(queries[..., 1:].float(), nothing, nothing.bool())

    def advance(
        self,
        state: FrameToFrameState,
        features: Features,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
    ) -> tuple[Prediction, FrameToFrameState]:
        """One step from frame `start` to the next."""
        state = _begin(state, queries, start)
        reached = [state]
        if len(features) == 2:
            reached.append(_begin(self._follow(state, features), queries, start + 1))
        xy = torch.stack([s.xy for s in reached], 1)
        confidence = torch.stack([s.confidence for s in reached], 1)
        return Prediction(xy, confidence, confidence), reached[-1]

    def _follow(self, state: FrameToFrameState, features: Features) -> FrameToFrameState:
        xy, confidence = state.xy.clone(), state.confidence.clone()
        for b, (before, after) in enumerate(features.levels[0][:, :, 0].cpu().numpy()):
            begun = state.begun[b]
            found, certainty = self._step(before, after, state.xy[b, begun].cpu().numpy())
            xy[b, begun] = torch.from_numpy(found).to(xy)
            sure = torch.from_numpy(certainty).to(confidence)
            confidence[b, begun] = torch.minimum(confidence[b, begun], sure)
        return replace(state, xy=xy, confidence=confidence)

    def _step(
        self, before: np.ndarray, after: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``[M, 2]`` in the frame after, and the confidence ``[M]`` of the step."""
        if not len(points):
            return points, np.zeros(0, np.float32)
        found, ok = self.flow(before, after, points)
        home, ok_back = self.flow(after, before, found)
        error = np.linalg.norm(home - points, axis=1)
        certainty = 1 / (1 + (error / self.tolerance) ** 2)
        limit = np.array(after.shape[::-1], np.float32) - 0.5
        inside = np.all((found > -0.5) & (found < limit), axis=1)
        moved = np.where(inside[:, None], found, points)
        return moved, np.where(ok & ok_back & inside, certainty, 0)


def _begin(state: FrameToFrameState, queries: Tensor, frame: int) -> FrameToFrameState:
    """Put the points whose query is in this frame at their query."""
    new = queries[..., 0] == frame
    xy = torch.where(new[..., None], queries[..., 1:], state.xy)
    confidence = torch.where(new, 1.0, state.confidence)
    return FrameToFrameState(xy, confidence, state.begun | new)
