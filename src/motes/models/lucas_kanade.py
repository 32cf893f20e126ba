"""Pyramidal Lucas-Kanade with a forward-backward check: the classical baseline, no weights.

Lucas and Kanade 1981; the pyramid after Bouguet 2001 (OpenCV); the check after Kalal, Mikolajczyk
and Matas, "Forward-backward error", 2010.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from motes.models.base import Features, PointModel, Prediction, Preset, State
from motes.video.resize import ResizeRule


@dataclass(frozen=True)
class LucasKanadeConfig:
    """Settings of the tracker, in pixels of its input."""

    patch: int = 21  # side of the window that is matched
    levels: int = 3  # pyramid levels above the image itself
    iterations: int = 30  # refinements a level, at most
    precision: float = 0.01  # a smaller step ends the refinement
    tolerance: float = 1.0  # forward-backward error at which the confidence is one half


@dataclass(frozen=True)
class LucasKanadeState(State):
    """Where the points are in the last frame, and how sure that is (0: lost or not begun)."""

    xy: Tensor  # [B, N, 2]
    confidence: Tensor  # [B, N]


class LucasKanade(PointModel):
    """Follows each point from frame to frame; a point that is lost stays where it was, hidden.

    A step is checked by tracking back: if the point does not come home, it is lost.  The confidence
    falls with the error of that round trip and never rises again.
    """

    window = 2
    step = 1
    joint = False

    def __init__(self, config: LucasKanadeConfig) -> None:
        super().__init__()
        self.config = config

    def encode(self, video: Tensor) -> Features:
        """Grey frames, uint8 ``[B, T, 1, H, W]``, weighted as in ITU-R BT.601."""
        weights = video.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
        grey = (video * weights).sum(2, keepdim=True) * 255
        return Features((grey.round().clamp(0, 255).byte(),))

    def start(self, queries: Tensor) -> LucasKanadeState:
        """No point has begun."""
        return LucasKanadeState(queries[..., 1:].float(), torch.zeros_like(queries[..., 0]))

    def advance(
        self,
        state: LucasKanadeState,
        features: Features,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
    ) -> tuple[Prediction, LucasKanadeState]:
        """One step from frame `start` to the next."""
        state = _begin(state, queries, start)
        reached = [state]
        if len(features) == 2:
            reached.append(_begin(self._follow(state, features), queries, start + 1))
        xy = torch.stack([s.xy for s in reached], 1)
        confidence = torch.stack([s.confidence for s in reached], 1)
        return Prediction(xy, confidence, confidence), reached[-1]

    def _follow(self, state: LucasKanadeState, features: Features) -> LucasKanadeState:
        xy, confidence = state.xy.clone(), torch.zeros_like(state.confidence)
        for b, frames in enumerate(features.levels[0].cpu().numpy()):
            alive = state.confidence[b] > 0.5
            points = state.xy[b, alive].cpu().numpy()
            found, certainty = self._step(frames[0, 0], frames[1, 0], points)
            kept = torch.from_numpy(certainty).to(confidence)
            xy[b, alive] = torch.from_numpy(found).to(xy)
            confidence[b, alive] = torch.minimum(state.confidence[b, alive], kept)
        return replace(state, xy=xy, confidence=confidence)

    def _step(
        self, before: np.ndarray, after: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions ``[M, 2]`` in the frame after, and the confidence ``[M]`` of the step."""
        if not len(points):
            return points, np.zeros(0, np.float32)
        found, ok = self._flow(before, after, points)
        home, ok_back = self._flow(after, before, found)
        error = np.linalg.norm(home - points, axis=1)
        certainty = 1 / (1 + (error / self.config.tolerance) ** 2)
        size = np.array(after.shape[::-1], np.float32)
        inside = ((found > -0.5) & (found < size - 0.5)).all(1)
        good = ok & ok_back & inside
        return np.where(good[:, None], found, points), np.where(good, certainty, 0)

    def _flow(
        self, a: np.ndarray, b: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        c = self.config
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, c.iterations, c.precision)
        size, guess = (c.patch, c.patch), points[:, None].copy()
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            a, b, points[:, None], guess, winSize=size, maxLevel=c.levels, criteria=stop
        )
        return np.asarray(found)[:, 0], np.asarray(status)[:, 0].astype(bool)


def _begin(state: LucasKanadeState, queries: Tensor, frame: int) -> LucasKanadeState:
    """Put the points whose query is in this frame at their query."""
    new = queries[..., 0] == frame
    xy = torch.where(new[..., None], queries[..., 1:], state.xy)
    return replace(state, xy=xy, confidence=torch.where(new, 1.0, state.confidence))


def _build(config: Any) -> LucasKanade:
    return LucasKanade(config)


LK = Preset(
    name="lk",
    summary="pyramidal Lucas-Kanade with forward-backward check (classical, CPU)",
    build=_build,
    config=LucasKanadeConfig(),
    resize=ResizeRule(long_side=960),
)
