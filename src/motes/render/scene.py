"""`Scene`: tracks prepared for drawing, and `Look`: one way to draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from motes.common.registry import discover, suggest
from motes.render.canvas import Canvas
from motes.render.colors import colorize, starts
from motes.render.curves import bend, thin
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
    """

    start: np.ndarray
    end: np.ndarray
    freshness: np.ndarray
    color: np.ndarray


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

        Where a point was hidden, its path has a gap.

        Args:
            i: Column of the heads.
            length: In frames.
            step: Moves much shorter than this many pixels are joined, longer ones are bent.
            budget: How many segments may be spent on bending.
        """
        first = max(0, i - length)
        xy = self.tracks.xy[:, first : i + 1]
        seen = self.tracks.visible[:, first : i + 1]
        keep = thin(xy, step) & (np.arange(first, i + 1) >= self.begins[:, None])
        points, columns = np.nonzero(keep)
        legs = _legs(points, columns, seen[points, columns])
        n, old, new = points[legs], columns[legs], columns[legs + 1]
        path = bend(xy[points, columns], points, legs, step, budget)  # [M, S + 1, 2]
        S = path.shape[1] - 1
        when = old[:, None] + (new - old)[:, None] * (np.arange(S) + 0.5) / S  # [M, S]
        return Tail(
            path[:, :-1].reshape(-1, 2),
            path[:, 1:].reshape(-1, 2),
            (1 - (i - first - when) / max(length, 1)).clip(0, 1).ravel(),
            np.repeat(self.colors[n, first + new], S, axis=0),
        )


def _legs(points: np.ndarray, columns: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Vertices k with a leg to vertex k + 1: same point, visible at both; the oldest first."""
    joined = (points[1:] == points[:-1]) & visible[1:] & visible[:-1]
    legs = np.flatnonzero(joined)
    return legs[np.argsort(columns[legs + 1], kind="stable")]


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
