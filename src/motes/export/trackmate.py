"""``.trackmate.xml``: the simple track file of TrackMate, which MATLAB, R and Python read."""

from pathlib import Path

from motes.coordinates import CENTRE_DOWN
from motes.export.base import DROP, KEEP, Format, Settings
from motes.export.curves import Curves
from motes.export.numbers import all_trimmed, trimmed
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write one particle a point."""
    curves = Curves(tracks, settings, CENTRE_DOWN)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Tracks nTracks="{len(curves)}" spaceUnits="pixel" '
            f'frameInterval="{trimmed(float(1 / tracks.fps), 9)}" timeUnits="sec" from="motes">\n'
        )
        for curve in curves:
            x, y = (all_trimmed(curve.xy[:, axis].tolist()) for axis in (0, 1))
            file.write(f'  <particle nSpots="{len(curve.frames)}">\n')
            file.writelines(
                f'    <detection t="{frame}" x="{a}" y="{b}" z="0.0" />\n'
                for frame, a, b in zip(curve.frames.tolist(), x, y, strict=True)
            )
            file.write("  </particle>\n")
        file.write("</Tracks>\n")


TRACKMATE = Format(
    ".trackmate.xml", "TrackMate tracks (simple)", write, first=0, hidden=(DROP, KEEP)
)
