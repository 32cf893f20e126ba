"""`select`: the queries of a video from the arguments of a user."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from motes.errors import InputError
from motes.queries.corners import detect_corners
from motes.queries.grid import every_pixel
from motes.queries.grid import grid as grid_queries
from motes.queries.mask import Mask, read_mask
from motes.queries.points import Points, Queries, parse_points, within

if TYPE_CHECKING:
    from motes.video import Video

DEFAULT_GRID = 20
"""Points on each side of the grid that the commands track by default."""

UNKNOWN_END = 2**31
"""End of the frames of a video of unknown length."""


def select(
    video: Video,
    queries: Points | None = None,
    *,
    grid: int | tuple[int, int] | None = None,
    corners: int | None = None,
    dense: int | None = None,
    mask: Mask | None = None,
    at: int | None = None,
) -> Queries:
    """Make queries from one of four arguments, and check them against the video.

    Args:
        video: The video to track through.
        queries: Rows ``(t, x, y)``, or ``(x, y)`` in frame `at`.
        grid: Instead: ``grid x grid`` or ``(columns, rows)`` points spread over frame `at`.
        corners: Instead: this number of the strongest corners of frame `at`.
        dense: Instead: every pixel of frame `at`, or every `dense`-th in both directions.
        mask: Only points inside it are taken; see `motes.queries.mask.read_mask`.
        at: Frame of points without t; default: the first frame of the video.

    Returns:
        The queries, all inside the image and the frames of the video.

    Raises:
        InputError: Not exactly one of the four is given, or a query does not fit the video.
        FileError: The mask cannot be read.

    Example:
        >>> from motes.queries.select import select
        >>> select(motes.open_video("bike.mp4"), grid=4, mask="mask.png").xy.shape
        (2, 2)
    """
    options = {"queries": queries, "grid": grid, "corners": corners, "dense": dense}
    named = [name for name, value in options.items() if value is not None]
    if len(named) != 1:
        got = " and ".join(named) or "none of them"
        raise InputError(f"expected one of queries, grid, corners or dense, got {got}")
    at = video.start if at is None else at
    inside = None if mask is None else read_mask(mask, video.size)
    _check_frame(at, frame_range(video))
    if grid is not None:
        return grid_queries(grid, video.size, at, inside)
    if dense is not None:
        return every_pixel(dense, video.size, at, inside)
    if corners is not None:
        return detect_corners(video.read(at, at + 1)[0], corners, at, inside)
    found = Queries.of(queries if queries is not None else [], at)
    found.check(video.size, frame_range(video))
    return found if inside is None else _inside(found, inside)


def point_choice(
    *,
    grid: int | None = None,
    points: str | None = None,
    queries: str | PathLike[str] | None = None,
    corners: int | None = None,
    dense: int | None = None,
    at: int | None = None,
) -> dict[str, Any]:
    """The arguments of `select` that the options of a command stand for.

    Args:
        grid: See `select`; `DEFAULT_GRID` where no option is given.
        points: Text, see `motes.queries.points.parse_points`.
        queries: CSV file, see `motes.queries.points.Queries.read`.
        corners: See `select`.
        dense: See `select`.
        at: Frame of `points` without one.

    Raises:
        InputError: The points or the file cannot be understood.
        FileError: The file cannot be read.

    Example:
        >>> from motes.queries.select import point_choice
        >>> point_choice(corners=30), point_choice()
        ({'corners': 30}, {'grid': 20})
    """
    if points is not None:
        return {"queries": parse_points(points, at or 0)}
    if queries is not None:
        return {"queries": Queries.read(queries)}
    if corners is not None:
        return {"corners": corners}
    if dense is not None:
        return {"dense": dense}
    return {"grid": DEFAULT_GRID if grid is None else grid}


def frame_range(video: Video) -> range:
    """Frame numbers of a video; open-ended (`UNKNOWN_END`) if its length is unknown.

    Example:
        >>> from motes.queries.select import frame_range
        >>> frame_range(motes.open_video("bike.mp4", start=3))
        range(3, 12)
    """
    if video.num_frames is None:
        return range(video.start, UNKNOWN_END)
    return range(video.start, video.start + video.num_frames)


def _check_frame(at: int, frames: range) -> None:
    if at not in frames:
        raise InputError(f"at: expected a frame from {frames.start} to {frames.stop - 1}, got {at}")


def _inside(queries: Queries, mask: np.ndarray) -> Queries:
    kept = np.flatnonzero(within(queries.xy, mask))
    if len(queries) and not len(kept):
        raise InputError(f"expected points inside the mask, got {len(queries)} outside it")
    names = queries.names and tuple(queries.names[i] for i in kept)
    return Queries(queries.txy[kept], names)
