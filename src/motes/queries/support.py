"""Support points: extra queries that help a joint model when the user gives few.

CoTracker (section 3.4, "support points") tracks a global grid over the frame and a local grid
around each query along with it; their results are dropped.
"""

import numpy as np


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
