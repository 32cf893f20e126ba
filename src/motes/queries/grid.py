"""Points on a regular grid."""

import numpy as np

from motes.coordinates import from_corner, to_corner
from motes.errors import InputError
from motes.queries.points import Queries


def every_pixel(
    spacing: int, size: tuple[int, int], at: int = 0, mask: np.ndarray | None = None
) -> Queries:
    """Take every pixel, or every `spacing`-th one in both directions.

    Args:
        spacing: Distance of neighbouring points in pixels.
        size: Width and height of the video.
        at: Frame in which the points are picked.
        mask: bool ``[H, W]``; only points inside it are kept.

    Returns:
        The queries, row by row.

    Raises:
        InputError: `spacing` is not positive, or no point lies in the mask.
    """
    if spacing < 1:
        raise InputError(f"dense: expected a spacing of 1 pixel or more, got {spacing}")
    W, H = size
    rows, columns = np.mgrid[0:H:spacing, 0:W:spacing].reshape(2, -1)
    if mask is not None:
        inside = mask[rows, columns]
        rows, columns = rows[inside], columns[inside]
        if not len(rows):
            raise InputError(f"dense: expected every {spacing}th pixel to hit the mask, none does")
    return Queries.of(np.column_stack([columns, rows]), at)


def grid(side: int, size: tuple[int, int], at: int = 0, mask: np.ndarray | None = None) -> Queries:
    """Spread points evenly over a frame, one at the centre of each of ``side x side`` cells.

    Args:
        side: Points along each side.
        size: Width and height of the video.
        at: Frame in which the points are picked.
        mask: bool ``[H, W]``; only points inside it are kept.

    Returns:
        Up to ``side * side`` queries, row by row.

    Raises:
        InputError: `side` is not positive, or no point of the grid lies in the mask.
    """
    if side < 1:
        raise InputError(f"grid: expected a positive number of points a side, got {side}")
    W, H = size
    x, y = (from_corner(to_corner(np.arange(side)) * length / side) for length in (W, H))
    xy = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    if mask is not None:
        column, row = np.rint(xy).astype(int).T
        xy = xy[mask[row, column]]
        if not len(xy):
            raise InputError(
                f"grid: expected points inside the mask, but none of {side}x{side} lies there "
                f"({int(mask.sum())} pixels are set); try a denser grid"
            )
    return Queries.of(xy, at)
