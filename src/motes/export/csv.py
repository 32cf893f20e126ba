"""``.csv``: one row a point and frame, for spreadsheets and scripts.

The columns are ``id,t,x,y,visible,confidence``.  What a row cannot hold (see `motes.export.rows`)
stands in one more cell of the header, which rows leave empty: readers that go by column names never
see it.
"""

import csv
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np

from motes.errors import InputError
from motes.export.base import Format
from motes.export.rows import COLUMNS, parse_facts, to_columns, to_facts, to_tracks
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path) -> None:
    """Write the rows of one point after the other, each in order of time."""
    write_parts([tracks], path)


def write_parts(parts: Iterable[Tracks], path: Path) -> None:
    """Write stretch after stretch, each as `write` does."""
    parts = iter(parts)
    first = next(parts)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, to_facts(first)])
        for part in chain([first], parts):
            columns = to_columns(part)
            columns["visible"] = columns["visible"].astype(int)
            writer.writerows(zip(*columns.values(), strict=True))


def read(path: Path) -> Tracks:
    """Read what `write` wrote, or any file with these columns; see `to_tracks`.

    Raises:
        InputError: Other columns, a row that does not fit, or a point that lacks a frame.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except UnicodeDecodeError:
        raise InputError("expected text, got something else") from None
    if tuple(header[:6]) != COLUMNS:
        raise InputError(f"expected the columns {','.join(COLUMNS)}, got {','.join(header[:6])}")
    rows = np.array([_row(i, line) for i, line in enumerate(lines, 2) if line]).reshape(-1, 6)
    columns = dict(zip(COLUMNS, rows.T, strict=True))
    columns |= {name: columns[name].astype(np.int64) for name in ("id", "t")}
    columns["visible"] = columns["visible"] != 0
    return to_tracks(columns, parse_facts(header[6]) if len(header) > 6 else {})


def _row(number: int, line: list[str]) -> list[float]:
    try:
        return [float(v) for v in line[:6]] if len(line) >= 6 else _bad_row(number, line)
    except ValueError:
        return _bad_row(number, line)


def _bad_row(number: int, line: list[str]) -> list[float]:
    raise InputError(f"line {number}: expected {','.join(COLUMNS)}, got {','.join(line)!r}")


CSV = Format(".csv", "one row a point and frame: " + ",".join(COLUMNS), write, read, write_parts)
