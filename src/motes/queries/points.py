"""`Queries`: points to follow, given one by one, as an array, as text or in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from motes.coordinates import inside
from motes.errors import FileError, InputError


@dataclass(frozen=True, eq=False)
class Queries:
    """N points to follow.

    Attributes:
        txy: float32 ``[N, 3]``, read-only: follow the point that is at pixel (x, y) of frame t.
            Frames are numbered as in the video; (0, 0) is the centre of the top-left pixel.

    Raises:
        InputError: Not ``[N, 3]``, not finite, or a frame number that is not whole.
    """

    txy: np.ndarray

    def __post_init__(self) -> None:
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
        """Read anything that means queries.

        Args:
            points: `Queries`, or rows ``(t, x, y)``, or rows ``(x, y)`` in frame `at`.
            at: The frame of rows that do not name one.

        Raises:
            InputError: The rows have another length, or hold something other than numbers.
        """
        if isinstance(points, Queries):
            return points
        try:
            rows = np.array([[float(v) for v in row] for row in points], np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"queries: expected rows (t, x, y) or (x, y); {error}") from None
        if rows.ndim == 2 and rows.shape[1] == 2:
            rows = np.column_stack([np.full(len(rows), at), rows])
        return cls(rows)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Queries:
        """Read a CSV file with the header ``t,x,y``.

        Raises:
            FileError: The file cannot be read.
            InputError: The header or a row does not fit; the message names the line.
        """
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                header, *lines = list(csv.reader(file)) or [[]]
        except (OSError, ValueError, csv.Error) as error:
            raise FileError(f"cannot read queries from {path}: {error}") from None
        names = [name.strip() for name in header]
        if names != ["t", "x", "y"]:
            raise InputError(f"{path}: expected the header t,x,y, got {','.join(names) or 'none'}")
        return cls(np.array([_row(path, i, line) for i, line in enumerate(lines, 2) if line]))

    def check(self, size: tuple[int, int], frames: range) -> None:
        """Make sure that every query lies in a video.

        Args:
            size: Width and height.
            frames: Numbers of the frames.

        Raises:
            InputError: A query lies outside the image or in a frame that does not exist.
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
"""What can stand for queries: see `Queries.of`."""


def parse_points(text: str, at: int = 0) -> Queries:
    """Read points from text.

    Args:
        text: ``"x,y;x,y"``, or ``"t,x,y;t,x,y"``.
        at: The frame of points that do not name one.

    Raises:
        InputError: A point is not two or three numbers.
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
    return Queries(np.array(rows))


def _row(path: str | PathLike[str], number: int, line: list[str]) -> list[float]:
    try:
        row = [float(v) for v in line]
    except ValueError:
        row = []
    if len(row) != 3:
        raise InputError(f"{path}, line {number}: expected t,x,y, got {','.join(line)!r}")
    return row


def _text(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{v:g}" for v in values) + ")"
