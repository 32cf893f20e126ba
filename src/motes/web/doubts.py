"""Where a person should look: frames in which a track is likely to be wrong."""

from __future__ import annotations

import numpy as np

LOW_CONFIDENCE = 0.5
"""A visible point with less is marked."""

JUMP_FACTOR, JUMP_PIXELS = 6.0, 4.0
"""A step is a jump if it is this many times the median step around it, and this long."""

AROUND = 12
"""Steps on either side whose median is the usual step."""


def find_doubts(
    xy: np.ndarray, visible: np.ndarray, confidence: np.ndarray
) -> list[tuple[int, str]]:
    """Frames at which the confidence becomes low, or the point jumps.

    Args:
        xy: float32 ``[T, 2]``, pixels.
        visible: bool ``[T]``.
        confidence: float32 ``[T]``.

    Returns:
        Pairs ``(frame, "jump" or "low")`` in order of time; of consecutive frames of low
        confidence only the first.
    """
    low = visible & (confidence < LOW_CONFIDENCE)
    starts = np.flatnonzero(low & ~np.concatenate([[False], low[:-1]]))
    found = [(int(t), "low") for t in starts] + [(int(t), "jump") for t in _jumps(xy, visible)]
    return sorted(found)


def _jumps(xy: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Frames that are reached by a jump."""
    steps = np.linalg.norm(np.diff(xy.astype(np.float64), axis=0), axis=1)
    steps[~(visible[1:] & visible[:-1])] = np.nan
    long = np.flatnonzero(steps > JUMP_PIXELS)
    usual = [np.nanmedian(steps[max(t - AROUND, 0) : t + AROUND + 1]) for t in long]
    return 1 + long[steps[long] > JUMP_FACTOR * np.array(usual)] if len(long) else long
