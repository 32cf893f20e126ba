"""``.dlc.csv``: DeepLabCut, and what reads its files (Anipose, movement, napari-deeplabcut).

The likelihood is the confidence; hidden frames keep their position, and the usual cut of 0.6
removes them.  Rows have no gaps, because tools count them.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from motes.common.values import shortest
from motes.coordinates import CENTRE_DOWN
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.keys import Keys, read_rows, to_tracks
from motes.export.names import as_given, labels
from motes.export.numbers import real
from motes.tracks import Tracks

SCORER = "motes"
CUT = 0.6
"""Likelihood from which DeepLabCut counts a point as seen (its pcutoff)."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write three rows of names, then one row a frame from 0 on."""
    names = labels(tracks, as_given)
    written = settings.written(tracks)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["scorer", *[SCORER] * 3 * len(names)])
        writer.writerow(["bodyparts", *(name for name in names for _ in range(3))])
        writer.writerow(["coords", *["x", "y", "likelihood"] * len(names)])
        for frame in range(tracks.start + settings.first):
            writer.writerow([frame, *["", "", "0.0"] * len(names)])
        for column, frame in enumerate(tracks.frames):
            writer.writerow([frame + settings.first, *_cells(tracks, column, written[:, column])])


def _cells(tracks: Tracks, column: int, written: np.ndarray) -> Iterator[str]:
    x, y = shortest(tracks.xy[:, column]).T.tolist()
    likelihood = shortest(tracks.confidence[:, column]).tolist()
    for a, b, certain, known in zip(x, y, likelihood, written.tolist(), strict=True):
        yield from (real(a), real(b)) if known else ("", "")
        yield real(certain)


def read(path: Path, footage: Footage) -> Tracks:
    """Read predictions of one animal; a point is visible from a likelihood of 0.6 on.

    Raises:
        InputError: Other headers, several animals, or a cell that is not a number.
    """
    rows = read_rows(path)
    heads = [row[0] if row else "nothing" for row in [*rows, [], [], []][:3]]
    if heads[1] == "individuals":
        raise InputError("expected the points of one animal, got a file with individuals")
    if heads != ["scorer", "bodyparts", "coords"]:
        raise InputError(f"expected rows scorer, bodyparts, coords, got {', '.join(heads)}")
    _, parts, coords, *lines = rows
    columns = list(zip(parts[1:], coords[1:], strict=False))
    width = len(columns) + 1
    cells = [_numbers(line, width, number) for number, line in enumerate(lines, 4) if line]
    table = np.array(cells).reshape(-1, width)
    return from_table(columns, table[:, 0], table[:, 1:], footage)


def _numbers(line: list[str], width: int, number: int) -> list[float]:
    """The cells of a row, NaN where they are empty."""
    try:
        row = [float(cell or "nan") for cell in line]
    except ValueError:
        row = []
    if len(row) != width or not math.isfinite(row[0]):
        got = ",".join(line)[:80]
        raise InputError(f"line {number}: expected a frame and {width - 1} numbers, got {got!r}")
    return row


def from_table(
    columns: Sequence[tuple[str, str]], frames: np.ndarray, values: np.ndarray, footage: Footage
) -> Tracks:
    """Make tracks from the table of DeepLabCut.

    Args:
        columns: Body part and coordinate (``x``, ``y`` or ``likelihood``) of C columns.
        frames: ``[R]``.
        values: ``[R, C]``, NaN where nothing is known.
        footage: The size and the frame rate must be known.

    Raises:
        InputError: A body part lacks a coordinate.
    """
    at: dict[str, dict[str, int]] = {}
    for index, (part, coordinate) in enumerate(columns):
        at.setdefault(part, {})[coordinate] = index
    points = []
    for part, index_of in at.items():
        if not {"x", "y", "likelihood"} <= index_of.keys():
            got = " ".join(index_of)
            raise InputError(f"{part}: expected the columns x, y and likelihood, got {got}")
        xy = values[:, [index_of["x"], index_of["y"]]]
        known = np.isfinite(xy).all(1)
        likelihood = np.nan_to_num(values[known, index_of["likelihood"]])
        numbers = frames[known].astype(np.int64)
        points.append(Keys(part, numbers, xy[known], likelihood >= CUT, likelihood))
    return to_tracks(points, footage, CENTRE_DOWN)


DEEPLABCUT = Format(
    ".dlc.csv",
    "DeepLabCut, Anipose, movement (visibility comes back as confidence of at least 0.6)",
    write,
    read,
    first=0,
    hidden=(KEEP, DROP),
)
