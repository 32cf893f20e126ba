"""``.csv``: one row a point and frame, for spreadsheets and scripts.

The columns are ``id,t,x,y,visible,confidence``.  What a row cannot hold (the size of the video, its
frame rate, where the points were queried) stands in one more cell of the header, which rows leave
empty: readers that go by column names never see it.
"""

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from motes.errors import InputError
from motes.export.base import Format
from motes.tracks import DEFAULT_FPS, Tracks

COLUMNS = ["id", "t", "x", "y", "visible", "confidence"]


def write(tracks: Tracks, path: Path) -> None:
    """Write the rows of one point after the other, each in order of time."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, json.dumps(_facts(tracks), separators=(",", ":"))])
        for n, point in enumerate(tracks.ids.tolist()):
            columns = (tracks.xy[n], tracks.visible[n], tracks.confidence[n])
            for t, (x, y), visible, sure in zip(tracks.frames, *columns, strict=True):
                writer.writerow([point, t, x, y, int(visible), sure])


def read(path: Path) -> Tracks:
    """Read what `write` wrote, or any file with these columns.

    Without the extra cell the size of the video is taken to be just large enough for the points,
    the frame rate to be the default, and the query to be the first visible frame.

    Raises:
        InputError: Other columns, a row that does not fit, or a point that lacks a frame.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except UnicodeDecodeError:
        raise InputError("expected text, got something else") from None
    if header[:6] != COLUMNS:
        raise InputError(f"expected the columns {','.join(COLUMNS)}, got {','.join(header[:6])}")
    rows = np.array([_row(i, line) for i, line in enumerate(lines, 2) if line]).reshape(-1, 6)
    facts = _parse_facts(header[6]) if len(header) > 6 else {}
    return _assemble(rows, facts)


def _facts(tracks: Tracks) -> dict[str, Any]:
    rowless = {"ids": tracks.ids.tolist()} if not tracks.num_frames else {}
    return rowless | {
        "size": tracks.size,
        "fps": [tracks.fps.numerator, tracks.fps.denominator],
        "start": tracks.start,
        "frames": tracks.num_frames,
        "queries": [[float(str(v)) for v in query] for query in tracks.queries],
    }


def _parse_facts(cell: str) -> dict[str, Any]:
    try:
        return dict(json.loads(cell))
    except (ValueError, TypeError):
        raise InputError(f"expected facts about the video in column 7, got {cell!r}") from None


def _row(number: int, line: list[str]) -> list[float]:
    try:
        return [float(v) for v in line[:6]] if len(line) >= 6 else _bad_row(number, line)
    except ValueError:
        return _bad_row(number, line)


def _bad_row(number: int, line: list[str]) -> list[float]:
    raise InputError(f"line {number}: expected {','.join(COLUMNS)}, got {','.join(line)!r}")


def _assemble(rows: np.ndarray, facts: dict[str, Any]) -> Tracks:
    facts = _guess(rows) | facts
    start, T = int(facts["start"]), int(facts["frames"])
    ids = np.array(facts["ids"], int)
    table = _table(rows, ids, start, T)  # [N, T, (x, y, visible, confidence)]
    queries = {"queries": np.array(facts["queries"]).reshape(-1, 3)} if "queries" in facts else {}
    return Tracks(
        table[..., :2],
        table[..., 2] != 0,
        table[..., 3],
        ids=ids,
        size=facts["size"],
        fps=Fraction(*facts["fps"]),
        start=start,
        **queries,
    )


def _guess(rows: np.ndarray) -> dict[str, Any]:
    """Facts about the video as far as the rows tell them."""
    fps = [DEFAULT_FPS.numerator, DEFAULT_FPS.denominator]
    if not len(rows):
        return {"start": 0, "frames": 0, "ids": [], "size": (1, 1), "fps": fps}
    ids, first = np.unique(rows[:, 0].astype(int), return_index=True)
    times = rows[:, 1].astype(int)
    size = np.maximum(np.ceil(rows[:, 2:4].max(0)).astype(int) + 1, 1)
    return {
        "start": times.min(),
        "frames": np.ptp(times) + 1,
        "ids": ids[np.argsort(first)],  # points stay in the order of the file
        "size": tuple(size.tolist()),
        "fps": fps,
    }


def _table(rows: np.ndarray, ids: np.ndarray, start: int, T: int) -> np.ndarray:
    place = {point: n for n, point in enumerate(ids.tolist())}
    table = np.full((len(ids), T, 4), np.nan)
    for point, t, *values in rows:
        if int(point) not in place or not 0 <= t - start < T:
            raise InputError(f"expected frames {start} to {start + T - 1}, got {t:g}")
        table[place[int(point)], int(t) - start] = values
    if np.isnan(table).any():
        n, t = np.argwhere(np.isnan(table).any(2))[0]
        raise InputError(f"expected a row for point {ids[n]} in frame {start + t}, got none")
    return table


CSV = Format(".csv", "one row a point and frame: " + ",".join(COLUMNS), write, read)
