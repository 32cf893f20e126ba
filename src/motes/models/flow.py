"""Dense optical flow, chained from frame to frame: the other classical baseline, no weights.

Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search" (DIS), 2016, as
in OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from motes.features.flow_fields import flow_field
from motes.models.base import Preset
from motes.models.frame_to_frame import FrameToFrame
from motes.video.resize import ResizeRule


@dataclass(frozen=True)
class FlowConfig:
    """Settings of the tracker, in pixels of its input."""

    quality: int = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    finest: int = 0  # pyramid level at which the search ends; 0: the image itself
    tolerance: float = 3.0  # forward-backward error at which the confidence is one half


class DenseFlow(FrameToFrame):
    """Follows each point with the flow of the whole frame, forward and back."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.tolerance = config.tolerance

    def flow(
        self, before: np.ndarray, after: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `FrameToFrame.flow`; a dense flow finds every point.

        Raises:
            InputError: The frames are too small for a flow.
        """
        field = flow_field(before, after, self.config.quality, self.config.finest)
        return points + sample(field, points), np.ones(len(points), bool)


def sample(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bilinear values ``[M, C]`` of a field ``[H, W, C]`` at points ``[M, 2]``; edges continue."""
    H, W, _ = field.shape
    xy = points.clip(0, [W - 1, H - 1])
    x0, y0 = (np.minimum(xy.astype(int), [max(W - 2, 0), max(H - 2, 0)])).T
    x1, y1 = np.minimum(x0 + 1, W - 1), np.minimum(y0 + 1, H - 1)
    u, v = (xy - np.column_stack([x0, y0])).T[..., None]
    above = (1 - u) * field[y0, x0] + u * field[y0, x1]
    below = (1 - u) * field[y1, x0] + u * field[y1, x1]
    return ((1 - v) * above + v * below).astype(np.float32)


FLOW = Preset(
    name="flow",
    summary="dense optical flow (DIS), chained, with forward-backward check (classical, CPU)",
    build=DenseFlow,
    config=FlowConfig(),
    resize=ResizeRule(long_side=512),
)
