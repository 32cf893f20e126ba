"""``.cornerpin.nk``: a CornerPin2D node of Nuke that pins a picture to four points."""

from pathlib import Path

from motes.coordinates import CORNER_UP
from motes.export.base import KEEP, Format, Settings
from motes.export.curves import Curves
from motes.export.nuke import curve_text
from motes.export.pins import corners
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the corners in the order of the node: from the bottom left, counter-clockwise."""
    top_left, top_right, bottom_right, bottom_left = Curves(
        corners(tracks, settings.pin), settings, CORNER_UP
    )
    W, H = tracks.size
    to = [
        f" to{n} {{{curve_text(c.frames, c.xy[:, 0])} {curve_text(c.frames, c.xy[:, 1])}}}\n"
        for n, c in enumerate((bottom_left, bottom_right, top_right, top_left), 1)
    ]
    picture = [(0, 0), (W, 0), (W, H), (0, H)]
    origin = [f" from{n} {{{x} {y}}}\n" for n, (x, y) in enumerate(picture, 1)]
    ending = " name motes_pin\n selected true\n xpos 0\n ypos 0\n}\n"
    content = ["CornerPin2D {\n", *to, " invert false\n", *origin, ending]
    path.write_text("".join(content), encoding="utf-8", newline="\n")


NUKE_PIN = Format(
    ".cornerpin.nk", "Nuke, a CornerPin2D node", write, first=1, hidden=(KEEP,), points=4
)
