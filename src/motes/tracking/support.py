"""Support points: extra queries that help a joint model when the user gives few.

CoTracker (arXiv 2307.07635, "support points") tracks a global grid over the frame and a local grid
around each query along with it; their results are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from motes.models.preset import Support

MAX_FRAMES = 4
"""In how many of the frames that hold queries a global grid is placed, at most."""


def with_support(queries: np.ndarray, support: Support, size: tuple[int, int]) -> np.ndarray:
    """Queries, followed by the support points that a model wants for so few.

    Args:
        queries: float32 ``[N, 3]`` (t, x, y) in pixels of the model.
        support: What the model wants.
        size: Width and height of the model's input.

    Returns:
        float32 ``[N + M, 3]``; M is 0 if there are no queries, or enough.
    """
    if not 0 < len(queries) < support.below:
        return queries
    extra = support_points(
        queries, size, support.global_grid, support.local_grid, support.local_extent
    )
    return np.concatenate([queries, extra])


def support_points(
    queries: np.ndarray,
    size: tuple[int, int],
    global_side: int,
    local_side: int,
    local_extent: float,
) -> np.ndarray:
    """Points to track along with some queries, each in the frame of a query.

    Args:
        queries: float32 ``[N, 3]`` (t, x, y) in pixels of the model.
        size: Width and height of the model's input.
        global_side: Side of the grid over the whole frame; 0: none.
        local_side: Side of the grid around each query; 0: none.
        local_extent: Width and height of a local grid in pixels.

    Returns:
        float32 ``[M, 3]`` (t, x, y).
    """
    frames = np.unique(queries[:, 0])
    some = np.linspace(0, len(frames) - 1, min(len(frames), MAX_FRAMES)).round().astype(int)
    everywhere = global_grid(global_side, size)
    parts = [_at(t, everywhere) for t in frames[some]]
    parts += [_at(t, local_grid(xy, local_side, local_extent, size)) for t, *xy in queries]
    return np.concatenate([np.zeros((0, 3), np.float32), *parts])


def global_grid(side: int, size: tuple[int, int]) -> np.ndarray:
    """Positions ``[side * side, 2]`` spread over a frame of `size` (W, H), row by row."""
    W, H = size
    margin = W / 64
    x, y = (np.linspace(margin, n - 1 - margin, side) for n in (W, H))
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)


def local_grid(centre: np.ndarray, side: int, extent: float, size: tuple[int, int]) -> np.ndarray:
    """Positions ``[side * side, 2]`` around a point, `extent` pixels wide, kept in the frame."""
    offsets = np.linspace(-extent / 2, extent / 2, side)
    xy = np.stack(np.meshgrid(offsets, offsets), -1).reshape(-1, 2) + centre
    return np.clip(xy, 0, np.array(size) - 1).astype(np.float32)


def _at(frame: float, xy: np.ndarray) -> np.ndarray:
    return np.column_stack([np.full(len(xy), frame), xy]).astype(np.float32)
