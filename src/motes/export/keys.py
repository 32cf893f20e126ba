"""From the frames that a file holds of each point to `Tracks`, which hold every frame."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import numpy as np

from motes.coordinates import Convention
from motes.errors import InputError
from motes.export.base import Footage
from motes.export.names import parse_labels
from motes.tracks import Tracks

MAX_EMPTY = 1000
"""Cells of tracks for each one that a file holds, with `FEW_CELLS` more for short files: a wrong
frame number could make tracks larger than any memory."""

FEW_CELLS = 10_000_000


@dataclass(frozen=True)
class Keys:
    """Where a file says that one point is, in K frames.

    Attributes:
        name: Of the point.
        frames: ``[K]``, as the other program counts, in any order.
        xy: ``[K, 2]``, in the convention of the format.
        visible: bool ``[K]``; None: in all of them.
        confidence: ``[K]`` in [0, 1]; None: 1 where visible.
    """

    name: str
    frames: Sequence[int] | np.ndarray
    xy: Sequence[Sequence[float] | np.ndarray] | np.ndarray
    visible: Sequence[bool] | np.ndarray | None = None
    confidence: Sequence[float] | np.ndarray | None = None


def to_tracks(
    points: Sequence[Keys], footage: Footage, convention: Convention, first: int = 0
) -> Tracks:
    """Fill in the frames that a file does not hold.

    A missing frame is hidden, has confidence 0 and lies on the straight line between its
    neighbours, held before the first and after the last.

    Args:
        points: Those without a frame are left out.
        footage: The size and the frame rate must be known.
        convention: Of the positions.
        first: Number of the first frame of the video, unless `footage` says otherwise.

    Raises:
        InputError: The size or the frame rate is unknown, or a value does not fit.
    """
    size, fps = footage.require()
    first = first if footage.first is None else footage.first
    points = [p for p in points if len(p.frames)]
    ids, names = parse_labels([p.name for p in points])
    frames = _frames(points, first)
    shape = (len(points), len(frames))
    xy, visible = np.zeros((*shape, 2), np.float32), np.zeros(shape, bool)
    confidence = np.zeros(shape, np.float32)
    for row, point in enumerate(points):
        order, columns = _columns(point, first, frames)
        there = convention.to_pixels(np.asarray(point.xy, np.float64)[order], size)
        for axis in (0, 1):
            xy[row, :, axis] = np.interp(np.arange(len(frames)), columns, there[:, axis])
        seen = True if point.visible is None else np.asarray(point.visible, bool)[order]
        visible[row, columns] = seen
        given = seen if point.confidence is None else np.asarray(point.confidence)[order]
        confidence[row, columns] = given
    made = Tracks(xy, visible, confidence, size=size, fps=fps, start=frames.start, names=names)
    return made if ids is None else replace(made, ids=np.array(ids, np.int64))


def _frames(points: Sequence[Keys], first: int) -> range:
    """Numbers of the frames from the smallest to the largest, as motes counts."""
    if not points:
        return range(0)
    low = min(int(np.min(p.frames)) for p in points) - first
    high = max(int(np.max(p.frames)) for p in points) - first
    if low < 0:
        raise InputError(f"expected frame numbers from {first} on, got {low + first}")
    known = sum(len(p.frames) for p in points)
    check_span(low + first, high + first, len(points), known)
    return range(low, high + 1)


def check_span(low: int, high: int, points: int, known: int) -> None:
    """Raise if frames are so far apart that a number must be wrong.

    Args:
        low: First frame of a file.
        high: Last frame.
        points: How many there are.
        known: Positions that the file holds of all of them.

    Raises:
        InputError: They are.
    """
    if (high - low) * points > MAX_EMPTY * known + FEW_CELLS:
        raise InputError(f"expected the frames of a video, got {low} and {high} in one file")


def _columns(point: Keys, first: int, frames: range) -> tuple[np.ndarray, np.ndarray]:
    """The order of a point's keys in time, and their columns."""
    numbers = np.asarray(point.frames, np.int64) - first
    order = np.argsort(numbers, kind="stable")
    columns = numbers[order] - frames.start
    if (twice := np.diff(columns) == 0).any():
        frame = int(numbers[order][:-1][twice][0]) + first
        raise InputError(f"{point.name}: expected each frame once, got frame {frame} twice")
    return order, columns


def read_text(path: Path) -> str:
    """The text of a file, with plain line ends.

    Raises:
        InputError: It is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("expected text, got something else") from None


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a CSV file.

    Raises:
        InputError: It is not text, or no table.
    """
    try:
        return list(csv.reader(StringIO(read_text(path))))
    except csv.Error as error:
        raise InputError(f"expected rows of a table; {error}") from None


def numbers(words: Sequence[str], count: int, where: str) -> list[float]:
    """The first `count` words as finite numbers.

    Raises:
        InputError: There are fewer, or one is not a number.
    """
    try:
        numbers = [float(word) for word in words[:count]]
    except ValueError:
        numbers = []
    if len(numbers) < count or not np.isfinite(numbers).all():
        got = " ".join(words)[:80]
        raise InputError(f"{where}: expected {count} numbers, got {got!r}")
    return numbers


class Lines:
    """The lines of a text, for readers that go from the top down.

    Attributes:
        number: Of the line that was taken last.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self.number = 0

    def __bool__(self) -> bool:
        """Whether a line that is not blank is left; blank ones before it are skipped."""
        while self.number < len(self._lines) and not self._lines[self.number].strip():
            self.number += 1
        return self.number < len(self._lines)

    def take(self, what: str) -> str:
        """The next line that is not blank.

        Raises:
            InputError: There is none.
        """
        if not self:
            raise InputError(f"expected {what}, got the end of the file")
        self.number += 1
        return self._lines[self.number - 1].strip()

    def peek(self) -> str:
        """The line that `take` gives next, or nothing at the end."""
        return self._lines[self.number].strip() if self else ""

    def take_numbers(self, count: int, what: str) -> list[float]:
        """The numbers at the beginning of the next line.

        Raises:
            InputError: They are missing; the message names the line.
        """
        words = self.take(what).split()
        return numbers(words, count, f"line {self.number}, {what}")
