"""`Scene`: tracks prepared for drawing, and `Look`: one way to draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from motes.registry import discover, suggest
from motes.render.canvas import Canvas
from motes.render.colors import colorize, starts
from motes.render.style import Style
from motes.tracks import Tracks

MOST_PIECES = 8000  # line segments in one frame; curves are drawn with fewer beyond


@dataclass(frozen=True)
class Tail:
    """Line segments behind the points, the oldest first.

    Attributes:
        start: ``[M, 2]``, the older end.
        end: ``[M, 2]``.
        freshness: ``[M]``, 1 at the head down to 0 at the end of the tail.
        color: uint8 ``[M, 3]``.
        visible: bool ``[M]``, whether the point was visible at both ends.
    """

    start: np.ndarray
    end: np.ndarray
    freshness: np.ndarray
    color: np.ndarray
    visible: np.ndarray


@dataclass(frozen=True)
class Scene:
    """What the looks draw from.  Columns ``i`` count from 0 at the first frame of the tracks."""

    tracks: Tracks
    style: Style

    @cached_property
    def colors(self) -> np.ndarray:
        """uint8 ``[N, T, 3]``."""
        return colorize(self.tracks, self.style.color)

    @cached_property
    def begins(self) -> np.ndarray:
        """Column ``[N]`` in which each point appears; before it, nothing is drawn."""
        return starts(self.tracks)

    @cached_property
    def last_seen(self) -> np.ndarray:
        """Columns ``[N, T]``: the last column up to this one in which the point was visible."""
        columns = np.where(self.tracks.visible, np.arange(self.tracks.num_frames), -1)
        return np.maximum.accumulate(columns, axis=1)

    @cached_property
    def width(self) -> float:
        """Width of a trail at its head, in pixels of the video."""
        return self.style.width_on(self.tracks.size)

    def present(self, i: int, visible: bool) -> np.ndarray:
        """Indices of the points that are there in column `i`, the visible or the hidden ones."""
        return np.flatnonzero((self.begins <= i) & (self.tracks.visible[:, i] == visible))

    def tail(self, i: int, length: int, step: float, budget: int = MOST_PIECES) -> Tail:
        """The paths of the points over the last frames, as smooth curves through their positions.

        Args:
            i: Column of the heads.
            length: In frames.
            step: Moves much shorter than this many pixels are joined, longer ones are bent.
            budget: How many segments may be spent on bending.
        """
        first = max(0, i - length)
        xy = self.tracks.xy[:, first : i + 1]
        keep = _thin(xy, step) & (np.arange(first, i + 1) >= self.begins[:, None])
        points, columns = np.nonzero(keep)
        legs = np.flatnonzero(points[1:] == points[:-1])  # leg k leads from vertex k to k + 1
        legs = legs[np.argsort(columns[legs + 1], kind="stable")]
        n, old, new = points[legs], columns[legs], columns[legs + 1]
        path = _bend(xy[points, columns], points, legs, step, budget)  # [S + 1, M, 2]
        when = np.linspace(old, new, len(path))  # [S + 1, M]
        seen = self.tracks.visible[:, first : i + 1]
        pieces = len(path) - 1
        age = (i - first) - (when[1:] + when[:-1]) / 2
        return Tail(
            path[:-1].reshape(-1, 2),
            path[1:].reshape(-1, 2),
            (1 - age / max(length, 1)).clip(0, 1).ravel(),
            np.tile(self.colors[n, first + new], (pieces, 1)),
            np.tile(seen[n, old] & seen[n, new], pieces),
        )


def _thin(xy: np.ndarray, step: float) -> np.ndarray:
    """Which vertices of the paths ``[N, L, 2]`` to keep so that segments are about `step` long."""
    moved = np.linalg.norm(np.diff(xy, axis=1), axis=2)
    to_head = np.cumsum(moved[:, ::-1], axis=1)[:, ::-1]
    level = np.ceil(to_head / step)
    keep = np.ones(xy.shape[:2], bool)
    keep[:, :-1] = level != np.pad(level[:, 1:], ((0, 0), (0, 1)))
    return keep


def _bend(
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
        ``[S + 1, M, 2]``: the ends of the S pieces of each leg.
    """
    before, after = np.maximum(legs - 1, 0), np.minimum(legs + 2, len(xy) - 1)
    before = np.where(points[before] == points[legs], before, legs)
    after = np.where(points[after] == points[legs], after, legs + 1)
    p0, p1, p2, p3 = xy[before], xy[legs], xy[legs + 1], xy[after]
    length = np.linalg.norm(p2 - p1, axis=1, keepdims=True)
    pieces = _pieces(length, step, budget)
    leave, arrive = _shorten((p2 - p0) / 2, length), _shorten((p3 - p1) / 2, length)
    u = np.linspace(0, 1, pieces + 1)[:, None, None]
    cubic = (2 * u**3 - 3 * u**2) * (p1 - p2)
    return p1 + cubic + (u**3 - 2 * u**2 + u) * leave + (u**3 - u**2) * arrive


def _pieces(length: np.ndarray, step: float, budget: int) -> int:
    """Into how many pieces to cut the legs: the longer, the more."""
    if not len(length):
        return 1
    wanted = np.percentile(length, 75) / step / 4
    return int(np.clip(wanted, 1, max(1, min(4, budget // len(length)))))


def _shorten(tangent: np.ndarray, length: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(tangent, axis=1, keepdims=True)
    return tangent * np.minimum(1, length / np.maximum(norm, 1e-9))


@dataclass(frozen=True)
class Look:
    """One way to draw points.  A file of `motes.render` that declares a `Look` is found.

    Attributes:
        name: What users type.
        summary: One line of help.
        draw: Draws column ``i`` of a scene on a canvas.
    """

    name: str
    summary: str
    draw: Callable[[Canvas, Scene, int], None]


def looks() -> dict[str, Look]:
    """All looks by name."""
    return {look.name: look for look in discover("motes.render", Look)}


def find_look(name: str) -> Look:
    """The look of this name.

    Raises:
        InputError: There is none; the nearest is suggested.
    """
    known = looks()
    if name not in known:
        raise suggest(name, known, "look")
    return known[name]
