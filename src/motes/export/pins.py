"""Corner pins: four points in the order top-left, top-right, bottom-right, bottom-left."""

import numpy as np

from motes.errors import InputError
from motes.export.base import BEST
from motes.tracks import Tracks

RELIABLE = 0.9
"""Share of the best score that a point needs to become a corner."""


def corners(tracks: Tracks, pin: tuple[int, ...] | str | None) -> Tracks:
    """Choose and order the points of a corner pin.

    Args:
        tracks: Where they are chosen from.
        pin: Four ids, clockwise from the top-left corner; or ``"best"``: see `best_four`; or None:
            there are four points, whose order follows from where they are.

    Returns:
        Four points: top-left, top-right, bottom-right, bottom-left.

    Raises:
        InputError: There are not four points, or they are no convex quadrilateral in the reference
            frame, which is the first in which all four are visible.
    """
    if pin == BEST:
        corners = best_four(tracks)
    elif pin is not None:
        corners = tracks[[_row(tracks, id) for id in _four(tuple(map(int, pin)))]]
    else:
        corners = _clockwise(tracks[_four(range(len(tracks)))])
    if not _is_convex(_at_reference(corners)):
        where = ", ".join(f"({x:g}, {y:g})" for x, y in _at_reference(corners).tolist())
        raise InputError(f"corner pin: expected a convex quadrilateral, clockwise, got {where}")
    return corners


def best_four(tracks: Tracks) -> Tracks:
    """Four reliable points far apart: the outermost towards each corner of the picture.

    Reliable are points whose mean confidence in visible frames, counted over all frames, is at
    least 90 % of that of the best four.

    Raises:
        InputError: The outermost points are not four different ones.
    """
    if len(tracks) < 4 or not tracks.num_frames:
        raise InputError(
            f"corner pin: expected at least 4 points to choose from, got {len(tracks)}"
        )
    score = (tracks.confidence * tracks.visible).mean(1)
    reliable = np.flatnonzero(score >= RELIABLE * np.sort(score)[-4])
    x, y = _at_reference(tracks[reliable]).T
    outermost = [(x + y).argmin(), (x - y).argmax(), (x + y).argmax(), (x - y).argmin()]
    if len(set(outermost)) < 4:
        raise InputError(
            f"corner pin: expected four corners among {len(reliable)} reliable points, "
            f"got {len(set(outermost))}"
        )
    return tracks[reliable[outermost]]


def _four(ids: tuple[int, ...] | range) -> list[int]:
    if len(set(ids)) != 4 or len(ids) != 4:
        raise InputError(
            f"corner pin: expected four points, got {len(set(ids))}; give the ids of the top-left, "
            "top-right, bottom-right and bottom-left corner"
        )
    return list(ids)


def _row(tracks: Tracks, id: int) -> int:
    rows = np.flatnonzero(tracks.ids == id)
    if not len(rows):
        raise InputError(f"corner pin: expected ids of points, got {id}")
    return int(rows[0])


def _at_reference(tracks: Tracks) -> np.ndarray:
    """Positions ``[N, 2]`` in the first frame in which most points are visible."""
    if not tracks.num_frames:
        raise InputError("corner pin: expected at least one frame, got none")
    return tracks.xy[:, int(tracks.visible.sum(0).argmax())].astype(np.float64)


def _clockwise(tracks: Tracks) -> Tracks:
    """Four points by angle around their middle, from the one with the smallest x + y."""
    xy = _at_reference(tracks)
    x, y = (xy - xy.mean(0)).T
    order = np.argsort(np.arctan2(y, x))  # y goes down: angles grow clockwise
    return tracks[np.roll(order, -int(xy[order].sum(1).argmin()))]


def _is_convex(xy: np.ndarray) -> bool:
    """Whether four points are a convex quadrilateral, clockwise in the picture."""
    side = np.roll(xy, -1, 0) - xy
    following = np.roll(side, -1, 0)
    turn = side[:, 0] * following[:, 1] - side[:, 1] * following[:, 0]
    return bool((turn > 0).all())
