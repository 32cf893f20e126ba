"""``.3de.txt``: 2-D tracks of 3DEqualizer 4."""

import re
from pathlib import Path

from motes.coordinates import CORNER_UP
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.curves import Curves
from motes.export.keys import Keys, Lines, read_text, to_tracks
from motes.tracks import Tracks

RED = 0


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write name, colour, number of keys and keys of each point."""
    curves = Curves(tracks, settings, CORNER_UP)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(curves)}\n")
        for curve in curves:
            keys = zip(curve.frames.tolist(), *curve.xy.T.tolist(), strict=True)
            rows = [f"{frame} {x:z.15f} {y:z.15f}\n" for frame, x, y in keys]
            file.write(f"{curve.name}\n{RED}\n{len(rows)}\n" + "".join(rows))


def read(path: Path, footage: Footage) -> Tracks:
    """Read tracks of version 4, or of version 3, which begin with ``//`` and the size.

    Raises:
        InputError: It is something else.
    """
    lines = Lines(read_text(path))
    if lines.peek().startswith("//"):
        return _read_version_3(lines, footage)
    [count] = lines.take_numbers(1, "the number of points")
    points = []
    for _ in range(int(count)):
        name = lines.take("the name of a point")
        lines.take_numbers(1, "a colour")
        [keys] = lines.take_numbers(1, "the number of keys")
        rows = [lines.take_numbers(3, "frame x y") for _ in range(int(keys))]
        points.append(_keys(name, rows))
    return to_tracks(points, footage, CORNER_UP, first=1)


def _read_version_3(lines: Lines, footage: Footage) -> Tracks:
    title = lines.take("a title")
    match = re.search(r"(\d+) x (\d+)", title)
    if "3DE" not in title or match is None:
        raise InputError(f"expected tracks of 3DEqualizer, got {title[:80]!r}")
    points = []
    while lines:
        name, rows = lines.take("the name of a point"), []
        while re.match(r"-?\d+\s+-?[\d.]+\s+-?[\d.]+$", lines.peek()):
            rows.append(lines.take_numbers(3, "frame x y"))
        points.append(_keys(name, rows))
    known = footage.together_with((int(match[1]), int(match[2])))
    return to_tracks(points, known, CORNER_UP, first=1)


def _keys(name: str, rows: list[list[float]]) -> Keys:
    return Keys(name, [int(row[0]) for row in rows], [row[1:] for row in rows])


THREE_DE = Format(".3de.txt", "3DEqualizer, 2-D tracks", write, read, first=1, hidden=(DROP, KEEP))
