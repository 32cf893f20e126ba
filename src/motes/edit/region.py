"""A region of one frame, tracked as a lattice of points."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import cv2
import numpy as np

from motes.common.progress import Progress
from motes.queries.grid import every_pixel
from motes.queries.mask import read_mask
from motes.queries.points import Queries
from motes.tracks import Tracks

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video

MAX_POINTS = 1500
"""Lattice points of a region; a larger region gets a wider spacing."""

MIN_SPACING = 3
"""Least distance of lattice points in pixels."""


def lattice_spacing(mask: np.ndarray) -> int:
    """Distance in pixels of the lattice points of a mask, bool ``[H, W]``."""
    return max(MIN_SPACING, int(np.ceil(np.sqrt(mask.sum() / MAX_POINTS))))


def lattice(mask: np.ndarray, at: int) -> Queries:
    """Points at the spacing of the mask, inside it; its centre pixel, if it is smaller.

    Args:
        mask: bool ``[H, W]`` with at least one pixel.
        at: Number of the frame.
    """
    H, W = mask.shape
    points = every_pixel(lattice_spacing(mask), (W, H), at)
    column, row = points.xy.astype(int).T
    inside = mask[row, column]
    if inside.any():
        return Queries(points.txy[inside])
    rows, columns = np.nonzero(mask)
    middle = len(rows) // 2
    return Queries.of([(columns[middle], rows[middle])], at)


def bounding_box(mask: np.ndarray) -> np.ndarray:
    """Corners of the pixels of a mask, clockwise from the top left: float64 ``[4, 2]``."""
    left, top, w, h = cv2.boundingRect(mask.astype(np.uint8))
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return unit * [w, h] + np.array([left, top]) - 0.5


def track_region(
    tracker: Tracker,
    video: Video,
    mask: str | PathLike[str] | np.ndarray,
    at: int,
    progress: Progress | None = None,
) -> Tracks:
    """Track the region of a mask through the whole video, forward and backward.

    Args:
        tracker: Any tracker of `motes.load`.
        video: The video.
        mask: Image file or array ``[H, W]`` of frame `at`.
        at: Number of the frame.
        progress: Called with the number of frames just tracked.

    Returns:
        Tracks of lattice points inside the mask.

    Raises:
        InputError: The mask is empty or of another size, or there is no such frame.
        FileError: The mask cannot be read.
    """
    inside = read_mask(mask, video.size)
    return tracker.track(video, lattice(inside, at), backward=True, progress=progress)
