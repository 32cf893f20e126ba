"""``.syntheyes.txt``: tracker 2-D paths of SynthEyes."""

from pathlib import Path

from motes.coordinates import SYNTHEYES as CONVENTION
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.curves import Curves
from motes.export.keys import Keys, Lines, numbers, read_text, to_tracks
from motes.export.names import camel
from motes.tracks import Tracks

TRACKED, KEYED = 7, 15
"""Outcomes: run 1, enabled 2, ok 4, and key 8."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write one line a key; the first one, and the first one after a gap, is a key frame."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for curve in Curves(tracks, settings, CONVENTION, camel):
            keys = zip(curve.frames.tolist(), *curve.xy.T.tolist(), curve.starts, strict=True)
            file.writelines(
                f"{curve.name} {frame} {u:z.6f} {v:z.6f} {KEYED if starts else TRACKED}\n"
                for frame, u, v, starts in keys
            )


def read(path: Path, footage: Footage) -> Tracks:
    """Read lines of name, frame, u and v.

    Raises:
        InputError: A line is something else.
    """
    lines = Lines(read_text(path))
    rows: dict[str, list[list[float]]] = {}
    while lines:
        name, *words = lines.take("a tracker").split()
        rows.setdefault(name, []).append(numbers(words, 3, f"line {lines.number}"))
    points = [
        Keys(name, [int(row[0]) for row in mine], [row[1:] for row in mine])
        for name, mine in rows.items()
    ]
    return to_tracks(points, footage, CONVENTION)


SYNTHEYES = Format(
    ".syntheyes.txt",
    "SynthEyes, tracker 2-D paths (within 1/1000 pixel)",
    write,
    read,
    first=0,
    hidden=(DROP, KEEP),
)
