"""``.napari.csv``: a Tracks layer of napari, one row a point and visible frame."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from motes.coordinates import CENTRE_DOWN
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.curves import Curve, Curves
from motes.export.keys import Keys, numbers, read_rows, to_tracks
from motes.export.numbers import all_trimmed
from motes.tracks import Tracks

POSITION = ("t", "y", "x")


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the columns of a Tracks layer, then two features."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("track_id,t,y,x,visible,confidence\n")
        for curve in Curves(tracks, settings, CENTRE_DOWN):
            file.writelines(
                f"{curve.id},{frame},{y},{x},{seen:d},{confidence}\n"
                for frame, x, y, seen, confidence in cells(curve)
            )


def cells(curve: Curve) -> Iterator[tuple[int, str, str, bool, str]]:
    """Frame, x, y, visibility and confidence of each row."""
    x, y = (all_trimmed(curve.xy[:, axis].tolist()) for axis in (0, 1))
    confidence = all_trimmed(curve.confidence.tolist())
    return zip(curve.frames.tolist(), x, y, curve.visible.tolist(), confidence, strict=True)


def read(path: Path, footage: Footage) -> Tracks:
    """Read rows with the columns ``track_id`` (or ``TrackID``), ``t``, ``y`` and ``x``.

    Raises:
        InputError: Other columns, or a cell that is not a number.
    """
    header, *lines = read_rows(path) or [[]]
    header = ["track_id" if name == "TrackID" else name for name in header]
    names = [n for n in ("track_id", *POSITION, "visible", "confidence") if n in header]
    if names[:4] != ["track_id", *POSITION]:
        raise InputError(f"expected the columns track_id,t,y,x, got {','.join(header)}")
    at = [header.index(name) for name in names]
    rows = [
        numbers([line[i] for i in at if i < len(line)], len(at), f"line {number}")
        for number, line in enumerate(lines, 2)
        if line
    ]
    columns = dict(zip(names, np.array(rows).reshape(-1, len(at)).T, strict=True))
    return to_tracks(_split(columns), footage, CENTRE_DOWN)


def _split(columns: dict[str, np.ndarray]) -> list[Keys]:
    """The rows of each track, in the order of their first rows."""
    ids, first, row_of = np.unique(columns["track_id"], return_index=True, return_inverse=True)
    result = []
    for i in np.argsort(first):
        mine = {name: values[row_of == i] for name, values in columns.items()}
        result.append(
            Keys(
                f"point_{int(ids[i])}",
                mine["t"].astype(np.int64),
                np.stack([mine["x"], mine["y"]], -1),
                mine["visible"] != 0 if "visible" in mine else None,
                mine.get("confidence"),
            )
        )
    return result


NAPARI = Format(".napari.csv", "napari, a Tracks layer", write, read, first=0, hidden=(DROP, KEEP))
