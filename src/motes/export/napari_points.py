"""``.napari-points.csv``: a Points layer, which napari opens without a plugin."""

from itertools import count
from pathlib import Path

from motes.coordinates import CENTRE_DOWN
from motes.export.base import DROP, KEEP, Format, Settings
from motes.export.curves import Curves
from motes.export.napari import cells
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the columns of a Points layer, then two properties."""
    row = count()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("index,axis-0,axis-1,axis-2,track_id,confidence\n")
        for curve in Curves(tracks, settings, CENTRE_DOWN):
            for frame, x, y, _, confidence in cells(curve):
                file.write(f"{next(row)},{frame},{y},{x},{curve.id},{confidence}\n")


NAPARI_POINTS = Format(
    ".napari-points.csv", "napari, a Points layer", write, first=0, hidden=(DROP, KEEP)
)
