"""Pyramidal Lucas-Kanade with a forward-backward check: the classical baseline, no weights.

Lucas and Kanade 1981; the pyramid after Bouguet 2001 (OpenCV).  The check is the forward-backward
error of Kalal, Mikolajczyk and Matas, "Forward-backward error: automatic detection of tracking
failures", 2010.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from motes.coordinates import ResizeRule
from motes.features.flow_fields import grey
from motes.models.base import Features, PointModel, Prediction, Schedule, State
from motes.models.preset import Accuracy, Preset


@dataclass(frozen=True)
class LucasKanadeConfig:
    """Settings of the tracker, in pixels of its input."""

    patch: int = 21  # side of the window that is matched
    levels: int = 3  # pyramid levels above the image itself
    iterations: int = 30  # refinements a level, at most
    precision: float = 0.01  # a smaller step ends the refinement
    tolerance: float = 1.0  # forward-backward error at which the confidence is one half


@dataclass(frozen=True)
class GreyFrames(Features):
    """Frames in grey.

    Attributes:
        grey: uint8 ``[B, T, H, W]``.
    """

    grey: Tensor


@dataclass(frozen=True)
class LucasKanadeState(State):
    """Positions and confidence in the last frame."""

    xy: Tensor  # [B, N, 2]
    confidence: Tensor  # [B, N]
    started: Tensor  # bool [B, N], whether the frame of the query has come


class LucasKanade(PointModel):
    """Follows each point by matching the patch around it, from coarse to fine and frame to frame.

    Every step is checked backward: the confidence falls with the forward-backward error, and never
    rises again, because lost points are not searched for.  A hidden point keeps moving with what
    covers it.
    """

    features_type = GreyFrames
    schedule = Schedule(window=2)
    joint = False
    point_bytes = 1_000

    def __init__(self, config: LucasKanadeConfig) -> None:
        super().__init__()
        self.config = config

    def encode(self, video: Tensor) -> GreyFrames:
        """Frames in grey, weighted as in ITU-R BT.601."""
        return GreyFrames(grey(video))

    def start(
        self, queries: Tensor, num_frames: int | None = None, schedule: Schedule | None = None
    ) -> LucasKanadeState:
        """No point has started."""
        nothing = torch.zeros_like(queries[..., 0])
        return LucasKanadeState(queries[..., 1:].float(), nothing, nothing.bool())

    def advance(
        self,
        state: LucasKanadeState,
        features: GreyFrames,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: None = None,
    ) -> tuple[Prediction, LucasKanadeState]:
        """One step from frame `start` to the next."""
        state = _begin(state, queries, start)
        states = [state]
        if len(features) == 2:
            states.append(_begin(self._follow(state, features), queries, start + 1))
        xy = torch.stack([s.xy for s in states], 1)
        confidence = torch.stack([s.confidence for s in states], 1)
        return Prediction(xy, confidence, confidence), states[-1]

    def _follow(self, state: LucasKanadeState, features: GreyFrames) -> LucasKanadeState:
        xy, confidence = state.xy.clone(), state.confidence.clone()
        for b, (before, after) in enumerate(features.grey.cpu().numpy()):
            started = state.started[b]
            moved, of_step = self._step(before, after, state.xy[b, started].cpu().numpy())
            xy[b, started] = torch.from_numpy(moved).to(xy)
            limit = torch.from_numpy(of_step).to(confidence)
            confidence[b, started] = torch.minimum(confidence[b, started], limit)
        return replace(state, xy=xy, confidence=confidence)

    def _step(
        self, before: np.ndarray, after: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``[M, 2]`` in the frame after, and the confidence ``[M]`` of the step."""
        if not len(points):
            return points, np.zeros(0, np.float32)
        found, ok = self._flow(before, after, points)
        back, ok_back = self._flow(after, before, found)
        error = np.linalg.norm(back - points, axis=1)
        confidence = 1 / (1 + (error / self.config.tolerance) ** 2)
        limit = np.array(after.shape[::-1], np.float32) - 0.5
        inside = np.all((found > -0.5) & (found < limit), axis=1)
        moved = np.where(inside[:, None], found, points)
        return moved, np.where(ok & ok_back & inside, confidence, 0)

    def _flow(
        self, before: np.ndarray, after: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find points ``[M, 2]`` of a grey frame ``[H, W]`` in another; whether each was found."""
        c = self.config
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, c.iterations, c.precision)
        size, guess = (c.patch, c.patch), points[:, None].copy()
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            before, after, points[:, None], guess, winSize=size, maxLevel=c.levels, criteria=stop
        )
        return np.asarray(found)[:, 0], np.asarray(status)[:, 0].astype(bool)


def _begin(state: LucasKanadeState, queries: Tensor, frame: int) -> LucasKanadeState:
    """Put the points whose query is in this frame at their query."""
    new = queries[..., 0] == frame
    xy = torch.where(new[..., None], queries[..., 1:], state.xy)
    confidence = torch.where(new, 1.0, state.confidence)
    return LucasKanadeState(xy, confidence, state.started | new)


LK = Preset(
    name="lk",
    summary="pyramidal Lucas-Kanade with forward-backward check (classical, CPU)",
    build=LucasKanade,
    config=LucasKanadeConfig(),
    resize=ResizeRule(long_side=960),
    accuracy=Accuracy(30.3, 45.5, 53.7),
)
