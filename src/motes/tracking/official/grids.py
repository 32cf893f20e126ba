"""The regular grids of the published CoTracker predictors, number for number."""

import numpy as np

from motes.errors import InputError


def centred_grid(
    side: int, extent: tuple[float, float], centre: np.ndarray | None = None
) -> np.ndarray:
    """Regular grid of versions 2 and 3; the margin follows the width on both axes.

    Args:
        side: Points a side; 1 gives the middle of the extent, whatever the centre.
        extent: Width and height.
        centre: (x, y); by default the middle.

    Returns:
        float32 ``[side * side, 2]``, row by row.
    """
    W, H = extent
    if side == 1:
        return np.array([[W / 2, H / 2]], np.float32)
    cx, cy = (W / 2, H / 2) if centre is None else centre
    margin = W / 64
    steps = np.arange(side) / (side - 1)
    x = cx - W / 2 + margin + steps * (W - 2 * margin)
    y = cy - H / 2 + margin + steps * (H - 2 * margin)
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)


def cornered_grid(
    side: int, extent: tuple[float, float], centre: np.ndarray | None = None
) -> np.ndarray:
    """Regular grid of the first version; around a centre it lies half a step off.

    Args and result as in `centred_grid`.
    """
    W, H = extent
    if side == 1:
        return np.array([[W / 2, H / 2]], np.float32)
    margin = W // 64
    shift, middle = (0.0, np.zeros(2)) if centre is None else (side / 2, np.asarray(centre))
    steps = (np.arange(side) - shift) / (side - 1)
    x = margin + steps * (W - 2 * margin) + middle[0]
    y = margin + steps * (H - 2 * margin) + middle[1]
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)


def dense_grids(size: tuple[int, int], columns: int) -> list[np.ndarray]:
    """Groups ``[N, 2]`` that together cover every pixel of a video, tracked one after the other.

    Raises:
        InputError: The video is narrower than the grid.
    """
    W, H = size
    step = W // columns
    if not step:
        raise InputError(f"dense tracking: expected a width of at least {columns}, got {W}")
    y, x = np.mgrid[: H // step, : W // step]
    cells = np.stack([x, y], -1).reshape(-1, 2) * step
    offsets = [np.array([o % step, o // step]) for o in range(step**2)]
    return [(cells + offset).astype(np.float32) for offset in offsets]
