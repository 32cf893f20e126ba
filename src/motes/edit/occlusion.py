"""Which pixels of a frame show a surface: its points say where about, the colours say exactly.

A tracker judges points by their surroundings, and is a few pixels wrong at the edge of an occluder.
There every pixel is compared with what the reference frame shows at this point of the surface.
"""

from __future__ import annotations

import cv2
import numpy as np

from motes.edit.compositing import shading
from motes.edit.surface import Surface

REACH = 8
"""Pixels around the edge of an occluder in which the colours decide."""

COST_SIGMA = 1.2
"""Of the low-pass filter of the differences, in pixels."""

TOLERANCE_RANGE = (10.0, 30.0)
"""Smallest and largest difference of a colour channel, of 255, up to which a pixel is visible."""

CONTRAST = 1.5
"""Deviation of grey values, in tolerances, from which a surface is told from any occluder."""

USUAL = 3.0
"""The tolerance, in medians of the differences where the surface is certainly visible."""

EDGE = 0.8
"""Deviation in pixels of the soft edge of what is visible."""


def visible_pixels(
    surface: Surface, column: int, source: np.ndarray, frame: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """How visible a surface is at each pixel of a window of a frame.

    Args:
        surface: The surface.
        column: Index of the frame in the tracks.
        source: ``[h, w, 2]``, as `Surface.source` returns it.
        frame: uint8 ``[h, w, 3]``, the window of the frame.
        expected: float32 ``[h, w, 3]`` in 0 .. 255, the reference frame at `source`.

    Returns:
        float32 ``[h, w]`` in [0, 1].

    Example:
        >>> from motes.edit.occlusion import visible_pixels
        >>> surface = Surface(tracks, 0)
        >>> frame = motes.open_video("bike.mp4")[0]
        >>> window = slice(0, frame.shape[0]), slice(0, frame.shape[1])
        >>> source = surface.source(0, window)
        >>> float(visible_pixels(surface, 0, source, frame, frame.astype(np.float32)).min())
        1.0
    """
    share = surface.visibility(column, source)
    shown, hidden = _certain(share > 0.95), _certain(share < 0.05)
    if shown.all() or hidden.all():
        return share
    lit = expected * shading(frame, expected, share)
    difference = np.abs(frame.astype(np.float32) - lit).max(-1)
    cost = cv2.GaussianBlur(difference, (0, 0), COST_SIGMA)
    tolerance = _tolerance(cost, shown)
    plain = hidden & (_contrast(expected) < CONTRAST * tolerance)
    if plain.any() and np.median(cost[plain]) < 1.5 * tolerance:
        return share  # the occluder looks like the surface
    alike = cv2.medianBlur((cost <= tolerance).astype(np.uint8), 5)
    alike = np.where(hidden, _opened(alike), alike) * ~plain
    soft = cv2.GaussianBlur(alike.astype(np.float32), (0, 0), EDGE)
    return np.where(shown, share, soft)


def _contrast(picture: np.ndarray) -> np.ndarray:
    """Deviation of the grey values around each pixel, float32 ``[h, w]``."""
    grey, side = picture.mean(-1), (2 * REACH + 1, 2 * REACH + 1)
    mean, square = cv2.blur(grey, side), cv2.blur(grey * grey, side)
    return np.sqrt(np.maximum(square - mean * mean, 0))


def _opened(flags: np.ndarray) -> np.ndarray:
    """Flags without small spots: a coincidence of a few pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (REACH + 1, REACH + 1))
    return cv2.morphologyEx(flags, cv2.MORPH_OPEN, kernel)


def _certain(flags: np.ndarray) -> np.ndarray:
    """Pixels with the same flag all around."""
    side = 2 * REACH + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.erode(flags.astype(np.uint8), kernel) > 0


def _tolerance(cost: np.ndarray, shown: np.ndarray) -> float:
    low, high = TOLERANCE_RANGE
    if not shown.any():
        return (low + high) / 2
    return float(np.clip(USUAL * np.median(cost[shown]), low, high))
