"""``.csv``: one row a point and frame, for spreadsheets and scripts.

The columns are ``id,t,x,y,visible,confidence``, and ``query_t,query_x,query_y`` (and ``name``, if
points have names), which are filled in the first row of each point.  Where the frame rate varies,
``time`` after ``confidence`` holds seconds.  A point without frames has one
row without ``t,x,y,visible,confidence``.  What concerns the whole video (its size, frame rate and
first frame) stands as JSON in one more cell of the header, which rows leave empty: readers that go
by column names never see it.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from motes.common.values import LARGEST_WHOLE, shortest_decimals
from motes.errors import InputError
from motes.export.base import Footage, Format, Settings
from motes.export.rows import COLUMNS, TIME, parse_facts, to_columns, to_facts, to_tracks
from motes.tracks import Tracks

NAMES = ",".join(COLUMNS)
QUERY = ("query_t", "query_x", "query_y")
NAME = "name"
CELLS_AT_ONCE = 2**16
"""Rows that are made at a time, so that memory stays flat."""

NO_FRAME = ("",) * (len(COLUMNS) - 1)
Cells = tuple[Any, ...]
TYPES = list(zip(COLUMNS, ("i8", "i8", "f8", "f8", "?", "f8"), strict=True))
FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the rows of one point after the other, each in order of time."""
    write_parts([tracks], path)


def write_parts(parts: Iterable[Tracks], path: Path) -> None:
    """Write stretch after stretch, each as `write` does."""
    parts = iter(parts)
    first = next(parts)
    names = () if first.names is None else (NAME,)
    time = () if first.times is None else (TIME,)
    points: list[Cells] | None = _point_cells(first)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *time, *QUERY, *names, to_facts(first, per_point=False)])
        for part in chain([first], parts):
            writer.writerows(_rows(part, points, len(QUERY) + len(names)))
            points = None if part.num_frames else points
        if points is not None:  # no part had a frame
            cells = zip(first.ids, points, strict=True)
            no_frame = (*NO_FRAME, *("" for _ in time))
            writer.writerows((number, *no_frame, *point) for number, point in cells)


def _point_cells(tracks: Tracks) -> list[Cells]:
    """Per point what its first row has besides `COLUMNS`."""
    queries = [(int(t), x, y) for t, x, y in tracks.queries]
    if tracks.names is None:
        return [*queries]
    return [(*query, name) for query, name in zip(queries, tracks.names, strict=True)]


def _rows(part: Tracks, points: Sequence[Cells] | None, width: int) -> Iterator[Cells]:
    """All rows; `points` (None: `width` empty cells) are in the first one of each point."""
    empty = ("",) * width
    step = max(CELLS_AT_ONCE // max(part.num_frames, 1), 1)
    for first in range(0, len(part), step):
        columns = to_columns(part[first : first + step])
        columns["visible"] = columns["visible"].astype(int)
        cells = (
            shortest_decimals(c) if c.dtype == np.float32 else c.tolist() for c in columns.values()
        )
        for i, row in enumerate(zip(*cells, strict=True)):
            point, frame = divmod(i, part.num_frames)
            yield (*row, *(empty if frame or points is None else points[first + point]))


def read(path: Path, footage: Footage) -> Tracks:
    """Read what `write` wrote, or any file with these columns, in any order; see `to_tracks`.

    Raises:
        InputError: Other columns, a row that does not fit, or a point that lacks a frame.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # Excel puts a mark in front
            names, facts = _header(file.readline())
            rows = _Rows(names)
            table = np.fromiter(rows.parse(csv.reader(file)), TYPES)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"expected text with commas, got something else ({error})") from None
    if rows.without_frame:
        facts |= {"ids": rows.without_frame, "frames": 0}
    return rows.complete(to_tracks({name: table[name] for name in COLUMNS}, facts, footage))


def _header(line: str) -> tuple[list[str], dict[str, Any]]:
    """Names of the columns, and the facts; that cell may be longer than `csv` allows."""
    columns, brace, facts = line.strip().partition("{")
    if not brace:
        return next(csv.reader([columns]), []), {}
    is_quoted = columns.endswith('"')
    names = next(csv.reader([columns.removesuffix('"').removesuffix(",")]), [])
    return names, parse_facts("{" + (facts[:-1].replace('""', '"') if is_quoted else facts))


class _Rows:
    """Reads rows, and remembers what they say besides `COLUMNS`.

    Args:
        names: Of the columns.

    Attributes:
        without_frame: Ids of points without frames.
    """

    def __init__(self, names: Sequence[str]) -> None:
        places = {name.strip(): place for place, name in enumerate(names)}
        if not places.keys() >= set(COLUMNS):
            raise InputError(f"expected the columns {NAMES}, got {','.join(places)[:200]}")
        self._places = [places[name] for name in COLUMNS]
        has_queries = places.keys() >= set(QUERY)
        self._query_places = [places[name] for name in QUERY] if has_queries else []
        self._name_place = places.get(NAME)
        self._time_place = places.get(TIME)
        self._times: dict[int, float] = {}
        self._queries: dict[int, Cells] = {}
        self._names: dict[int, str] = {}
        self.without_frame: list[int] = []

    def parse(self, lines: Iterable[list[str]]) -> Iterator[Cells]:
        """The cells of `COLUMNS`, row by row.

        Raises:
            InputError: A row does not fit.
        """
        for number, cells in enumerate(filter(None, lines), 2):
            try:
                row = self._row(cells)
            except (ValueError, KeyError, IndexError):
                got = ",".join(cells)[:200]
                raise InputError(
                    f"line {number}: expected {','.join(COLUMNS)}, got {got!r}"
                ) from None
            if row:
                yield row

    def _row(self, cells: list[str]) -> Cells | None:
        point, t, x, y, visible, confidence = (cells[place] for place in self._places)
        number = _whole(point)
        self._note(number, cells)
        if not t:
            self.without_frame.append(number)
            return None
        if self._time_place is not None and cells[self._time_place]:
            self._times[_whole(t)] = float(cells[self._time_place])
        flag = FLAGS[visible.strip().lower()]
        return number, _whole(t), float(x), float(y), flag, float(confidence)

    def _note(self, number: int, cells: list[str]) -> None:
        """Remember the cells of a row that are about its point; short rows have none."""
        query = [cells[place] for place in self._query_places if place < len(cells)]
        if any(query):
            t, x, y = query
            self._queries[number] = (float(t), float(x), float(y))
        if self._name_place is not None and self._name_place < len(cells):
            self._names[number] = self._names.get(number) or cells[self._name_place]

    def complete(self, tracks: Tracks) -> Tracks:
        """Tracks with queries, names and times from the rows; other points keep their query."""
        ids = tracks.ids.tolist()
        if self._queries:
            pairs = zip(ids, tracks.queries, strict=True)
            queries = [self._queries.get(number, tuple(own)) for number, own in pairs]
            tracks = replace(tracks, queries=np.array(queries))
        if self._name_place is not None:
            tracks = replace(tracks, names=tuple(self._names.get(number, "") for number in ids))
        if self._times:
            times = [self._times.get(frame, math.nan) for frame in tracks.frames]
            tracks = replace(tracks, times=np.array(times))
        return tracks


def _whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        exact = float(text)
        if not exact.is_integer() or abs(exact) > LARGEST_WHOLE:
            raise
        number = int(exact)
    if number.bit_length() > 63:
        raise ValueError(text)
    return number


CSV = Format(".csv", "one row a point and frame: " + NAMES, write, read, write_parts, lossless=True)
