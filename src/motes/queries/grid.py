"""Points on a regular grid."""

from collections.abc import Sequence
from operator import index

import numpy as np

from motes.coordinates import from_corner, to_corner
from motes.errors import InputError
from motes.queries.points import Queries

LARGEST_GRID = 1_000_000
"""Largest number of points; a larger one is probably a typing error."""


def every_pixel(
    spacing: int, size: tuple[int, int], at: int = 0, mask: np.ndarray | None = None
) -> Queries:
    """Take every pixel, or every `spacing`-th one in both directions.

    Args:
        spacing: Distance of neighbouring points in pixels.
        size: Width and height of the video.
        at: Frame of the queries.
        mask: bool ``[H, W]``; only points inside it are kept.

    Returns:
        The queries, row by row.

    Raises:
        InputError: `spacing` is not in 1 .. max(size), or no point lies in the mask.

    Example:
        >>> from motes.queries.grid import every_pixel
        >>> len(every_pixel(2, size=(96, 72)))
        1728
    """
    if not 1 <= spacing <= max(size):
        raise InputError(f"dense: expected a spacing of 1 to {max(size)} pixels, got {spacing}")
    W, H = size
    rows, columns = np.mgrid[0:H:spacing, 0:W:spacing].reshape(2, -1)
    if mask is not None:
        inside = mask[rows, columns]
        rows, columns = rows[inside], columns[inside]
        if not len(rows):
            raise InputError(f"dense: expected every {spacing}th pixel to hit the mask, none does")
    return Queries.of(np.column_stack([columns, rows]), at)


def grid(
    side: int | tuple[int, int],
    size: tuple[int, int],
    at: int = 0,
    mask: np.ndarray | None = None,
) -> Queries:
    """Spread points evenly over a frame, one at the centre of each cell of a grid.

    Args:
        side: Points along each side, or ``(columns, rows)``.
        size: Width and height of the video.
        at: Frame of the queries.
        mask: bool ``[H, W]``; only points inside it are kept.

    Returns:
        At most ``columns * rows`` queries, row by row.

    Raises:
        InputError: `side` is not positive or gives too many points, or no point of the grid lies in
            the mask.

    Example:
        >>> from motes.queries.grid import grid
        >>> grid((2, 1), size=(96, 72)).txy.tolist()
        [[0.0, 23.5, 35.5], [0.0, 71.5, 35.5]]
    """
    columns, rows = _sides(side)
    W, H = size
    x = from_corner(to_corner(np.arange(columns)) * W / columns)
    y = from_corner(to_corner(np.arange(rows)) * H / rows)
    xy = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    if mask is not None:
        column, row = np.rint(xy).astype(int).T
        xy = xy[mask[row, column]]
        if not len(xy):
            raise InputError(
                f"grid: expected points inside the mask, but none of {columns}x{rows} lies there "
                f"({int(mask.sum())} pixels are set); try a denser grid"
            )
    return Queries.of(xy, at)


def _sides(side: int | tuple[int, int]) -> tuple[int, int]:
    """Columns and rows, checked."""
    try:
        columns, rows = side if isinstance(side, Sequence) else (side, side)
        columns, rows = index(columns), index(rows)
    except (TypeError, ValueError):
        raise InputError(f"grid: expected a number or (columns, rows), got {side!r}") from None
    if min(columns, rows) < 1:
        raise InputError(f"grid: expected a positive number of points a side, got {side}")
    if columns * rows > LARGEST_GRID:
        raise InputError(
            f"grid: expected at most {LARGEST_GRID:,} points, got {columns} x {rows}; "
            "to track every pixel or every few, use dense"
        )
    return columns, rows
