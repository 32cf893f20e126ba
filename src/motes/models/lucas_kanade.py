"""Pyramidal Lucas-Kanade with a forward-backward check: the classical baseline, no weights.

Lucas and Kanade 1981; the pyramid after Bouguet 2001 (OpenCV).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from motes.models.base import Preset
from motes.models.frame_to_frame import FrameToFrame
from motes.video.resize import ResizeRule


@dataclass(frozen=True)
class LucasKanadeConfig:
    """Settings of the tracker, in pixels of its input."""

    patch: int = 21  # side of the window that is matched
    levels: int = 3  # pyramid levels above the image itself
    iterations: int = 30  # refinements a level, at most
    precision: float = 0.01  # a smaller step ends the refinement
    tolerance: float = 1.0  # forward-backward error at which the confidence is one half


class LucasKanade(FrameToFrame):
    """Follows each point by matching the patch around it, from coarse to fine."""

    def __init__(self, config: LucasKanadeConfig) -> None:
        super().__init__()
        self.config = config
        self.tolerance = config.tolerance

    def flow(
        self, before: np.ndarray, after: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `FrameToFrame.flow`."""
        c = self.config
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, c.iterations, c.precision)
        size, guess = (c.patch, c.patch), points[:, None].copy()
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            before, after, points[:, None], guess, winSize=size, maxLevel=c.levels, criteria=stop
        )
        return np.asarray(found)[:, 0], np.asarray(status)[:, 0].astype(bool)


LK = Preset(
    name="lk",
    summary="pyramidal Lucas-Kanade with forward-backward check (classical, CPU)",
    build=LucasKanade,
    config=LucasKanadeConfig(),
    resize=ResizeRule(long_side=960),
)
