"""``.cornerpin.ae.txt``: keyframes of the effect Corner Pin, to be pasted into After Effects."""

from pathlib import Path

from motes.coordinates import CORNER_DOWN
from motes.export.ae_text import block, document
from motes.export.base import KEEP, Format, Settings
from motes.export.curves import Curves
from motes.export.pins import corners
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the corners in the order of the effect: upper left and right, lower left and right."""
    top_left, top_right, bottom_right, bottom_left = Curves(
        corners(tracks, settings.pin), settings, CORNER_DOWN
    )
    blocks = [
        block(f"Effects\tADBE Corner Pin #1\tADBE Corner Pin-000{n}", "X pixels\tY pixels", curve)
        for n, curve in enumerate((top_left, top_right, bottom_left, bottom_right), 1)
    ]
    path.write_text(document(tracks, blocks), encoding="utf-8", newline="\n")


AE_PIN = Format(
    ".cornerpin.ae.txt",
    "After Effects, keyframes of a corner pin to paste (also from Mocha)",
    write,
    first=0,
    hidden=(KEEP,),
    points=4,
)
