"""Smooth paths: which positions to keep, and curves through them."""

from __future__ import annotations

import numpy as np

MOST_PIECES = 4  # of one leg


def thin(xy: np.ndarray, step: float) -> np.ndarray:
    """Choose vertices so that the legs between them are at least about `step` long.

    Args:
        xy: ``[N, L, 2]``, paths; their last vertex is always kept.
        step: In the unit of `xy`.

    Returns:
        bool ``[N, L]``: which vertices to keep.
    """
    moved = np.linalg.norm(np.diff(xy, axis=1), axis=2)
    to_end = np.cumsum(moved[:, ::-1], axis=1)[:, ::-1]
    level = np.ceil(to_end / step)
    keep = np.ones(xy.shape[:2], bool)
    keep[:, :-1] = level != np.pad(level[:, 1:], ((0, 0), (0, 1)))
    return keep


def bend(
    xy: np.ndarray, points: np.ndarray, legs: np.ndarray, step: float, budget: int
) -> np.ndarray:
    """Replace straight legs by cubic curves that pass through all vertices.

    The tangents are those of Catmull-Rom splines, shortened to the leg, so that an uneven step
    makes no loop.

    Args:
        xy: ``[K, 2]``, the vertices of all paths, one path after the other.
        points: int ``[K]``, which path each belongs to.
        legs: int ``[M]``; leg k leads from vertex k to vertex k + 1.
        step: A quarter of the length that the pieces of a typical leg should have.
        budget: Most pieces of all legs together.

    Returns:
        ``[M, S + 1, 2]``: the ends of the S pieces of each leg.
    """
    before, after = np.maximum(legs - 1, 0), np.minimum(legs + 2, len(xy) - 1)
    before = np.where(points[before] == points[legs], before, legs)
    after = np.where(points[after] == points[legs], after, legs + 1)
    p0, p1, p2, p3 = (xy[k][:, None] for k in (before, legs, legs + 1, after))
    length = np.linalg.norm(p2 - p1, axis=-1, keepdims=True)
    leave, arrive = _shorten((p2 - p0) / 2, length), _shorten((p3 - p1) / 2, length)
    u = np.linspace(0, 1, _pieces(length, step, budget) + 1)[:, None]
    along = (3 * u**2 - 2 * u**3) * (p2 - p1)
    return p1 + along + (u**3 - 2 * u**2 + u) * leave + (u**3 - u**2) * arrive


def _pieces(length: np.ndarray, step: float, budget: int) -> int:
    """Into how many pieces to cut every leg."""
    if not length.size:
        return 1
    wanted = np.percentile(length, 75) / step / 4
    return int(np.clip(wanted, 1, max(1, min(MOST_PIECES, budget // length.size))))


def _shorten(tangent: np.ndarray, length: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(tangent, axis=-1, keepdims=True)
    return tangent * np.minimum(1, length / np.maximum(norm, 1e-9))
