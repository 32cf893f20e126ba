"""``.shake.txt``: track files of Shake, which are also user tracks of Nuke's CameraTracker."""

from pathlib import Path

from motes.coordinates import CORNER_UP
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.curves import Curves
from motes.export.keys import Keys, Lines, read_text, to_tracks
from motes.tracks import Tracks

TITLE = "TrackName "
HEAD = "   Frame             X             Y   Correlation\n"


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write a title, a header and the keys of each point; correlation is the confidence."""
    blank = ""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for curve in Curves(tracks, settings, CORNER_UP):
            values = (*curve.xy.T.tolist(), curve.confidence.tolist())
            keys = zip(curve.frames.tolist(), *values, strict=True)
            rows = [f"{f:8.2f} {x:z13.6f} {y:z13.6f} {c:z13.6f}\n" for f, x, y, c in keys]
            file.write(f"{blank}{TITLE}{curve.name}\n{HEAD}{''.join(rows)}")
            blank = "\n"


def read(path: Path, footage: Footage) -> Tracks:
    """Read tracks.

    Raises:
        InputError: It is something else.
    """
    lines = Lines(read_text(path))
    points = []
    while lines:
        title = lines.take("a track")
        if not title.startswith(TITLE):
            raise InputError(f"line {lines.number}: expected TrackName, got {title[:80]!r}")
        lines.take("the names of the columns")
        rows = []
        while lines and not lines.peek().startswith(TITLE):
            rows.append(lines.take_numbers(4, "frame x y correlation"))
        confidence = [min(max(row[3], 0), 1) for row in rows]
        frames, xy = [round(row[0]) for row in rows], [row[1:3] for row in rows]
        points.append(Keys(title.removeprefix(TITLE), frames, xy, None, confidence))
    return to_tracks(points, footage, CORNER_UP, first=1)


SHAKE = Format(
    ".shake.txt",
    "Shake, and user tracks of Nuke's CameraTracker",
    write,
    read,
    first=1,
    hidden=(DROP, KEEP),
)
