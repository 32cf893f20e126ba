"""Smooth paths: selection of vertices, and cubic curves through them."""

from __future__ import annotations

import numpy as np

MAX_SEGMENTS_PER_LEG = 4


def keep_vertices(xy: np.ndarray, step: float) -> np.ndarray:
    """Select vertices so that the legs between them are not shorter than about `step`.

    Args:
        xy: ``[N, L, 2]``, paths; their last vertex is always kept.
        step: In the unit of `xy`.

    Returns:
        bool ``[N, L]``: the vertices to keep.
    """
    distance = np.linalg.norm(np.diff(xy, axis=1), axis=2)
    to_end = np.cumsum(distance[:, ::-1], axis=1)[:, ::-1]
    level = np.ceil(to_end / step)
    keep = np.ones(xy.shape[:2], bool)
    keep[:, :-1] = level != np.pad(level[:, 1:], ((0, 0), (0, 1)))
    return keep


def catmull_rom(
    xy: np.ndarray, points: np.ndarray, legs: np.ndarray, step: float, budget: int
) -> np.ndarray:
    """Catmull-Rom curves through all vertices, sampled as short segments.

    Tangents longer than their leg are shortened, so that legs of uneven length make no loops.

    Args:
        xy: ``[K, 2]``, the vertices of all paths, one path after the other.
        points: int ``[K]``, the path of each vertex.
        legs: int ``[M]``; leg k connects vertex k with vertex k + 1.
        step: A typical leg is cut into segments of 4 `step`.
        budget: Maximum number of segments of all legs together.

    Returns:
        ``[M, S + 1, 2]``: the ends of the S segments of each leg.
    """
    before, after = np.maximum(legs - 1, 0), np.minimum(legs + 2, len(xy) - 1)
    before = np.where(points[before] == points[legs], before, legs)
    after = np.where(points[after] == points[legs], after, legs + 1)
    p0, p1, p2, p3 = (xy[k][:, None] for k in (before, legs, legs + 1, after))
    length = np.linalg.norm(p2 - p1, axis=-1, keepdims=True)
    tangent1, tangent2 = _limit_length((p2 - p0) / 2, length), _limit_length((p3 - p1) / 2, length)
    u = np.linspace(0, 1, _segments_per_leg(length, step, budget) + 1)[:, None]
    line = (3 * u**2 - 2 * u**3) * (p2 - p1)
    return p1 + line + (u**3 - 2 * u**2 + u) * tangent1 + (u**3 - u**2) * tangent2


def _segments_per_leg(length: np.ndarray, step: float, budget: int) -> int:
    """S: the 75th percentile of the lengths decides."""
    if not length.size:
        return 1
    wanted = np.percentile(length, 75) / step / 4
    return int(np.clip(wanted, 1, max(1, min(MAX_SEGMENTS_PER_LEG, budget // length.size))))


def _limit_length(tangent: np.ndarray, length: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(tangent, axis=-1, keepdims=True)
    return tangent * np.minimum(1, length / np.maximum(norm, 1e-9))
