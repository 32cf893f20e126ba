"""`Queries`: points to track, from arrays, text or CSV files."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from os import PathLike
from pathlib import Path

import numpy as np

from motes.coordinates import inside
from motes.errors import FileError, InputError

log = logging.getLogger(__name__)

COLUMNS = ("t", "x", "y")
NAME = "name"


LARGEST_FRAME = 2**40
"""Larger frame numbers are refused; at 25 frames per second this is a thousand years."""


@dataclass(frozen=True, eq=False)
class Queries:
    """N points to follow.

    Attributes:
        txy: float32 ``[N, 3]``, read-only: follow the point that is at pixel (x, y) of frame t.
            Frames are numbered as in the video; (0, 0) is the centre of the top-left pixel.
        names: Name of each point; None: no names.

    Raises:
        InputError: Not ``[N, 3]``, not finite, or a frame number that is not whole.

    Example:
        >>> txy = np.array([[0, 30, 20.5], [4, 60, 40]])
        >>> queries = motes.Queries(txy, names=("wheel", "hand"))
        >>> queries.frames.tolist(), queries.xy.tolist()
        ([0, 4], [[30.0, 20.5], [60.0, 40.0]])
    """

    txy: np.ndarray
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # too large ones become infinite, and are refused
            txy = np.array(self.txy, np.float32)
        if txy.size == 0:
            txy = txy.reshape(0, 3)
        if txy.ndim != 2 or txy.shape[1] != 3:
            raise InputError(f"queries: expected [N, 3] rows (t, x, y), got {list(txy.shape)}")
        if not np.isfinite(txy).all():
            row = int(np.flatnonzero(~np.isfinite(txy).all(1))[0])
            raise InputError(f"query {row}: expected finite numbers, got {_text(txy[row])}")
        if (txy[:, 0] != np.floor(txy[:, 0])).any():
            row = int(np.flatnonzero(txy[:, 0] != np.floor(txy[:, 0]))[0])
            raise InputError(f"query {row}: expected a whole frame number, got {txy[row, 0]:g}")
        if (np.abs(txy[:, 0]) > LARGEST_FRAME).any():
            row = int(np.abs(txy[:, 0]).argmax())
            raise InputError(f"query {row}: expected a frame number, got {txy[row, 0]:g}")
        if self.names is not None and len(self.names) != len(txy):
            raise InputError(f"queries: expected {len(txy)} names, got {len(self.names)}")
        txy.flags.writeable = False
        object.__setattr__(self, "txy", txy)

    def __len__(self) -> int:
        return len(self.txy)

    @property
    def frames(self) -> np.ndarray:
        """int64 ``[N]``, the frame of each query."""
        return self.txy[:, 0].astype(np.int64)

    @property
    def xy(self) -> np.ndarray:
        """float32 ``[N, 2]``, the position of each query in pixels."""
        return self.txy[:, 1:]

    @classmethod
    def of(cls, points: Points, at: int = 0) -> Queries:
        """Convert points to queries.

        Args:
            points: `Queries`, or rows ``(t, x, y)``, or rows ``(x, y)`` in frame `at`.
            at: The frame of rows without t.

        Raises:
            InputError: The rows have another length, or hold something other than numbers.

        Example:
            >>> motes.Queries.of([(30, 20)], at=4).txy.tolist()
            [[4.0, 30.0, 20.0]]
        """
        if isinstance(points, Queries):
            return points
        try:
            rows = np.array([[float(v) for v in row] for row in points], np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"queries: expected rows (t, x, y) or (x, y); {error}") from None
        if rows.ndim == 2 and rows.shape[1] == 2:
            rows = np.column_stack([np.full(len(rows), at), rows])
        return _warned_of_fractions(cls(rows))

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Queries:
        """Read a CSV file with the columns ``t,x,y`` and optionally ``name``.

        The columns may be in any order, and further ones are ignored.  The separator is a comma,
        a semicolon or a tab.

        Raises:
            FileError: The file cannot be read.
            InputError: The header or a row is invalid (the message names the line), or there is
                no row.

        Example:
            >>> motes.Queries.read("points.csv").names
            ('wheel',)
        """
        try:
            content = Path(path).read_text(encoding="utf-8-sig")  # Excel writes a byte order mark
            table = list(csv.reader(StringIO(content), delimiter=_delimiter(content)))
        except (OSError, ValueError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise FileError(f"cannot read queries from {path}: {reason}") from None
        header, *lines = table or [[]]
        columns = {name.strip(): index for index, name in enumerate(header)}
        if not columns.keys() >= set(COLUMNS):
            got = ",".join(columns) or "none"
            raise InputError(f"{path}: expected the header t,x,y, got {got}")
        rows = [(i, line) for i, line in enumerate(lines, 2) if any(map(str.strip, line))]
        if not rows:
            raise InputError(f"{path}: expected at least one row t,x,y, got none")
        txy = [_row(path, i, line, [columns[name] for name in COLUMNS]) for i, line in rows]
        names = None
        if (column := columns.get(NAME)) is not None:
            names = tuple(line[column].strip() if column < len(line) else "" for _, line in rows)
        return _warned_of_fractions(cls(np.array(txy), names))

    def check(self, size: tuple[int, int], frames: range) -> None:
        """Check that every query lies in a video.

        Args:
            size: Width and height.
            frames: Numbers of the frames.

        Raises:
            InputError: A query lies outside the image or in a frame that does not exist.

        Example:
            >>> motes.Queries.of([(0, 99, 20)]).check(size=(96, 72), frames=range(12))
            Traceback (most recent call last):
            motes.errors.InputError: query 0: expected a point inside the 96x72 image, got (99, 20)
        """
        W, H = size
        outside = ~inside(self.xy, size)
        if outside.any():
            row = int(outside.argmax())
            raise InputError(
                f"query {row}: expected a point inside the {W}x{H} image, got {_text(self.xy[row])}"
            )
        missing = (self.frames < frames.start) | (self.frames >= frames.stop)
        if missing.any():
            row = int(missing.argmax())
            raise InputError(
                f"query {row}: expected a frame from {frames.start} to {frames.stop - 1}, "
                f"got {self.frames[row]}"
            )


Points = Queries | np.ndarray | Sequence[Sequence[float]]
"""Points that `Queries.of` converts."""


def parse_points(text: str, at: int = 0) -> Queries:
    """Read points from text.

    Args:
        text: ``"x,y;x,y"``, or ``"t,x,y;t,x,y"``.
        at: The frame of points without t.

    Raises:
        InputError: A point is not two or three numbers.

    Example:
        >>> from motes.queries import parse_points
        >>> parse_points("30,20; 5,60,40.5").txy.tolist()
        [[0.0, 30.0, 20.0], [5.0, 60.0, 40.5]]
    """
    rows = []
    for part in filter(None, (p.strip() for p in text.split(";"))):
        try:
            row = [float(v) for v in part.split(",")]
        except ValueError:
            row = []
        if len(row) not in (2, 3):
            raise InputError(f"points: expected 'x,y' or 't,x,y' separated by ';', got {part!r}")
        rows.append(row if len(row) == 3 else [at, *row])
    if not rows:
        raise InputError("points: expected at least one 'x,y', got none")
    return _warned_of_fractions(Queries(np.array(rows)))


def _warned_of_fractions(queries: Queries) -> Queries:
    xy = queries.xy
    if len(xy) and 0 <= xy.min() <= xy.max() <= 1 and (xy != np.rint(xy)).any():
        log.warning("queries: all points lie in the first pixel; pixels are expected, no fractions")
    return queries


def within(xy: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which positions ``[N, 2]`` lie in a mask ``[H, W]``, and so in the image: bool ``[N]``."""
    H, W = mask.shape
    column, row = np.clip(np.rint(xy).astype(int), 0, (W - 1, H - 1)).T
    return inside(xy, (W, H)) & mask[row, column]


def _delimiter(content: str) -> str:
    """The separator of the columns."""
    header = content.partition("\n")[0]
    return max(",;\t", key=header.count)


def _row(
    path: str | PathLike[str], number: int, line: list[str], columns: list[int]
) -> list[float]:
    try:
        return [float(line[column]) for column in columns]
    except (ValueError, IndexError):
        got = ",".join(line)[:200]
        raise InputError(f"{path}, line {number}: expected t,x,y, got {got!r}") from None


def _text(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{v:g}" for v in values) + ")"
