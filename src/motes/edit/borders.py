"""What to do at the borders of stabilised frames: crop them, fill them, or leave them black."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from motes.edit.fits import apply_motion, frame_corners
from motes.errors import InputError

BORDERS = {
    "crop": "zoom in until no border is visible",
    "fill": "fill with what earlier frames showed there",
    "black": "leave black",
}

MIN_CROP = 0.4
"""A crop that keeps a smaller share of the width is an error."""

FEATHER = 6
"""Width in pixels of the blend between a frame and its filling."""


def crop_zoom(corrections: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The zoom about the centre with which every corrected frame covers the whole picture.

    Args:
        corrections: ``[T, 3, 3]``, from each frame to its stabilised frame.
        size: Width and height in pixels.

    Returns:
        float64 ``[3, 3]``.

    Raises:
        InputError: Less than 40 % of the width would remain.
    """
    back = np.linalg.inv(corrections)
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _covered(back, middle, size) else (low, middle)
    if low < MIN_CROP:
        raise InputError(
            f"borders: a crop would keep {low:.0%} of the width, expected at least "
            f"{MIN_CROP:.0%}; use less smoothing, or fill the borders"
        )
    return _zoom(1 / low, size)


def _covered(back: np.ndarray, scale: float, size: tuple[int, int]) -> bool:
    """Whether a centred window of that scale lies inside all frames."""
    corners = apply_motion(back @ _zoom(scale, size), frame_corners(size))
    low, high = frame_corners(size)[[0, 2]]
    return bool(((corners >= low - 1e-6) & (corners <= high + 1e-6)).all())


def _zoom(scale: float, size: tuple[int, int]) -> np.ndarray:
    x, y = (size[0] - 1) / 2, (size[1] - 1) / 2
    return np.array([[scale, 0, x * (1 - scale)], [0, scale, y * (1 - scale)], [0, 0, 1]])


def warp(frame: np.ndarray, matrix: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """Move a frame ``[H, W, C]`` by a motion, with bicubic sampling; black outside."""
    H, W = frame.shape[:2]
    return cv2.warpPerspective(frame, matrix, (W, H), flags=cv2.INTER_CUBIC, borderMode=border)


def stabilised_frames(
    frames: Iterable[np.ndarray], corrections: np.ndarray, steps: np.ndarray, borders: str
) -> Iterator[np.ndarray]:
    """Move every frame by its correction.

    Args:
        frames: uint8 ``[H, W, 3]``.
        corrections: ``[T, 3, 3]``, from each frame to its stabilised frame.
        steps: ``[T - 1, 3, 3]``, from each stabilised frame to the next: the motion that remains.
        borders: A key of `BORDERS`; ``"crop"`` expects the zoom in the corrections.
    """
    canvas: np.ndarray | None = None
    for i, frame in enumerate(frames):
        if borders != "fill":
            edge = cv2.BORDER_REPLICATE if borders == "crop" else cv2.BORDER_CONSTANT
            yield warp(frame, corrections[i], edge)
            continue
        before = None if canvas is None else warp(canvas, steps[i - 1], cv2.BORDER_REPLICATE)
        canvas = _filled(frame, corrections[i], before)
        yield canvas


def _filled(frame: np.ndarray, matrix: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """A corrected frame over the canvas of the frames before; mirrored where there is none."""
    moved = warp(frame, matrix, cv2.BORDER_REFLECT)
    if before is None:
        return moved
    H, W = frame.shape[:2]
    inside = np.pad(np.ones((H - 2, W - 2), np.uint8), 1)
    valid = cv2.warpPerspective(inside, matrix, (W, H), flags=cv2.INTER_NEAREST)
    distance = cv2.distanceTransform(valid, cv2.DIST_L2, 3)
    weight = np.clip(distance / FEATHER, 0, 1)[..., None]
    return np.rint(weight * moved + (1 - weight) * before).astype(np.uint8)
