"""Queries at the strongest corners of a frame, which are easy to track."""

import cv2
import numpy as np

from motes.errors import InputError
from motes.queries.points import Queries, within


def detect_corners(
    frame: np.ndarray, count: int, at: int = 0, mask: np.ndarray | None = None
) -> Queries:
    """Pick the strongest corners (Shi and Tomasi, "Good features to track", 1994).

    Args:
        frame: uint8 RGB ``[H, W, 3]``.
        count: Largest number of points.
        at: Number of the frame.
        mask: bool ``[H, W]``; only corners inside it are taken.

    Returns:
        At most `count` queries, the strongest first, refined to sub-pixel positions.

    Raises:
        InputError: `count` is not positive, or the frame has no corner.

    Example:
        >>> from motes.queries.corners import detect_corners
        >>> detect_corners(motes.open_video("bike.mp4")[0], count=5).xy.shape
        (5, 2)
    """
    if count < 1:
        raise InputError(f"corners: expected a positive number of points, got {count}")
    count = min(count, frame.shape[0] * frame.shape[1])
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    inside = None if mask is None else mask.astype(np.uint8)
    min_distance = max(3.0, 0.5 * np.sqrt(grey.size / count))
    corners = cv2.goodFeaturesToTrack(grey, count, 0.005, min_distance, mask=inside)
    if corners is None or not len(corners):
        where = "in the frame" if mask is None else "inside the mask"
        raise InputError(f"corners: expected some {where}, found none")
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.01)
    whole = corners.reshape(-1, 2).astype(np.float32)
    refined = cv2.cornerSubPix(grey, whole[:, None].copy(), (3, 3), (-1, -1), stop).reshape(-1, 2)
    is_inside = within(refined, np.ones(grey.shape, bool) if mask is None else mask)
    return Queries.of(np.where(is_inside[:, None], refined, whole), at)
