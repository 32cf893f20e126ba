"""Tracks as one curve a point, as the text formats of other programs hold them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from motes.common.values import shortest
from motes.coordinates import Convention
from motes.export.base import Settings
from motes.export.names import labels, safe
from motes.tracks import Tracks


@dataclass(frozen=True)
class Curve:
    """What is written of one point, in K frames.

    Attributes:
        id: Of the point.
        name: Unique and safe for the format.
        frames: int64 ``[K]``, as the other program counts.
        xy: float64 ``[K, 2]``, in the convention of the format.
        visible: bool ``[K]``.
        confidence: float64 ``[K]``.
    """

    id: int
    name: str
    frames: np.ndarray
    xy: np.ndarray
    visible: np.ndarray
    confidence: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Bool ``[K]``: the first frame, and the first one after each gap."""
        return np.diff(self.frames, prepend=-(2**62)) > 1


@dataclass(frozen=True)
class Curves:
    """The curves of all points that have a frame to write, made one at a time.

    Attributes:
        tracks: What is written.
        settings: Which frames, and their numbers.
        convention: Of the positions.
        clean: Makes names fit for the format.
        seen_only: Leave out points that are never visible.
    """

    tracks: Tracks
    settings: Settings
    convention: Convention
    clean: Callable[[str], str] = safe
    seen_only: bool = False

    @property
    def rows(self) -> np.ndarray:
        """Indices of the points."""
        cells = self.tracks.visible if self.seen_only else self.settings.written(self.tracks)
        return np.flatnonzero(cells.any(1))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Curve]:
        tracks, names = self.tracks, labels(self.tracks, self.clean)
        written = self.settings.written(tracks)
        frames = np.array(tracks.frames, np.int64) + self.settings.first
        for row in self.rows:
            kept = written[row]
            yield Curve(
                int(tracks.ids[row]),
                names[row],
                frames[kept],
                self.convention.from_pixels(shortest(tracks.xy[row, kept]), tracks.size),
                tracks.visible[row, kept],
                shortest(tracks.confidence[row, kept]),
            )
