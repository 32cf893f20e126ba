"""``.2dt``: 2-D tracks of PFTrack and PFMatchit."""

from pathlib import Path

from motes.coordinates import CENTRE_UP
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.curves import Curves
from motes.export.keys import Keys, Lines, read_text, to_tracks
from motes.tracks import Tracks

HEAD = '# "Name"\n# clipNumber\n# frameCount\n# frame, xpos, ypos, similarity\n'
CLIP = 1


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write name, clip, number of keys and keys of each point; similarity is the confidence."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEAD)
        for curve in Curves(tracks, settings, CENTRE_UP):
            values = (*curve.xy.T.tolist(), curve.confidence.tolist())
            keys = zip(curve.frames.tolist(), *values, strict=True)
            rows = [f"{frame} {x:z.6f} {y:z.6f} {c:z.6f}\n" for frame, x, y, c in keys]
            file.write(f'\n"{curve.name}"\n{CLIP}\n{len(rows)}\n' + "".join(rows))


def read(path: Path, footage: Footage) -> Tracks:
    """Read tracks, with or without the line that names the clip.

    Raises:
        InputError: It is something else.
    """
    text = read_text(path)
    lines = Lines("\n".join(line for line in text.splitlines() if not line.startswith("#")))
    similar = "similarity" in text[:1000]
    points = []
    while lines:
        name = lines.take("a name").strip('"')
        count = lines.take("the clip or the number of keys")
        if len(lines.peek().split()) < 3:
            count = lines.take("the number of keys")
        total = int(count) if count.isdigit() else -1
        if total < 0:
            raise InputError(f"{name}: expected the number of keys, got {count[:40]!r}")
        rows = [lines.take_numbers(4, "frame x y value") for _ in range(total)]
        confidence = [min(max(row[3], 0), 1) for row in rows] if similar else None
        frames, xy = [int(row[0]) for row in rows], [row[1:3] for row in rows]
        points.append(Keys(name, frames, xy, None, confidence))
    return to_tracks(points, footage, CENTRE_UP, first=1)


PFTRACK = Format(
    ".2dt", "PFTrack and PFMatchit, 2-D tracks", write, read, first=1, hidden=(DROP, KEEP)
)
