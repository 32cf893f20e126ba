"""`Scene`: tracks prepared for drawing.  `Look`: one way to draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from motes.common.registry import discover, suggest
from motes.rendering.canvas import Canvas
from motes.rendering.colors import colorize, first_columns
from motes.rendering.curves import catmull_rom, keep_vertices
from motes.rendering.style import Style
from motes.tracks import Tracks

MAX_SEGMENTS = 8000  # of the tails of one frame; more legs get fewer segments each


@dataclass(frozen=True)
class Tail:
    """Line segments of the past positions, the oldest first.

    Attributes:
        start: ``[M, 2]``, the older end.
        end: ``[M, 2]``.
        recency: ``[M]``, 1 at the current position, 0 at the end of the tail.
        color: uint8 ``[M, 3]``.
    """

    start: np.ndarray
    end: np.ndarray
    recency: np.ndarray
    color: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Tracks and style, with derived values that the looks share.

    Column ``i`` is the i-th frame of the tracks.
    """

    tracks: Tracks
    style: Style

    @cached_property
    def colors(self) -> np.ndarray:
        """uint8 ``[N, T, 3]``."""
        return colorize(self.tracks, self.style.color)

    @cached_property
    def first_column(self) -> np.ndarray:
        """The column from which on each point is drawn, int ``[N]``."""
        return first_columns(self.tracks)

    @cached_property
    def last_visible(self) -> np.ndarray:
        """The last column so far in which the point was visible, int ``[N, T]``; -1: none."""
        columns = np.where(self.tracks.visible, np.arange(self.tracks.num_frames), -1)
        return np.maximum.accumulate(columns, axis=1)

    @cached_property
    def width(self) -> float:
        """Width of a trail at the current position, in pixels of the video."""
        return self.style.width_on(self.tracks.size)

    def present(self, i: int, visible: bool) -> np.ndarray:
        """Indices of the points that are drawn in column `i`: the visible or the hidden ones."""
        return np.flatnonzero((self.first_column <= i) & (self.tracks.visible[:, i] == visible))

    def tail(self, i: int, length: int, step: float, budget: int = MAX_SEGMENTS) -> Tail:
        """The last positions of the points, joined by smooth curves; hidden stretches are left out.

        Args:
            i: Column of the current positions.
            length: In frames.
            step: In pixels; shorter steps are joined, longer ones become curves.
            budget: Maximum number of segments.
        """
        first = max(0, i - length)
        xy = self.tracks.xy[:, first : i + 1]
        visible = self.tracks.visible[:, first : i + 1]
        keep = keep_vertices(xy, step) & (np.arange(first, i + 1) >= self.first_column[:, None])
        points, columns = np.nonzero(keep)
        legs = _legs(points, columns, visible[points, columns])
        n, old, new = points[legs], columns[legs], columns[legs + 1]
        path = catmull_rom(xy[points, columns], points, legs, step, budget)  # [M, S + 1, 2]
        S = path.shape[1] - 1
        when = old[:, None] + (new - old)[:, None] * (np.arange(S) + 0.5) / S  # [M, S]
        return Tail(
            path[:, :-1].reshape(-1, 2),
            path[:, 1:].reshape(-1, 2),
            (1 - (i - first - when) / max(length, 1)).clip(0, 1).ravel(),
            np.repeat(self.colors[n, first + new], S, axis=0),
        )


def _legs(points: np.ndarray, columns: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Vertices k with a leg to k + 1 (same point, visible at both); the oldest first."""
    joined = (points[1:] == points[:-1]) & visible[1:] & visible[:-1]
    legs = np.flatnonzero(joined)
    return legs[np.argsort(columns[legs + 1], kind="stable")]


@dataclass(frozen=True)
class Look:
    """One way to draw tracks: a plug-in, declared by a file of `motes.rendering`.

    Attributes:
        name: Value of the option ``look``.
        summary: One line of help.
        draw: Draws column ``i`` of a scene on a canvas.

    Example:
        >>> from motes.rendering import looks
        >>> looks()["dots"].summary
        'the current positions, without tails'
    """

    name: str
    summary: str
    draw: Callable[[Canvas, Scene, int], None]


def looks() -> dict[str, Look]:
    """All looks by name.

    Example:
        >>> from motes.rendering import looks
        >>> sorted(looks())
        ['arrows', 'dots', 'labels', 'trails']
    """
    return {look.name: look for look in discover("motes.rendering", Look)}


def find_look(name: str) -> Look:
    """The look of this name.

    Raises:
        InputError: There is none; the nearest is suggested.
    """
    known = looks()
    if name not in known:
        raise suggest(name, known, "look")
    return known[name]
