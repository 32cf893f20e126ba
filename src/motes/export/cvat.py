"""``.cvat.xml``: annotations of CVAT for video 1.1.

Points without a name have the label ``point``.  Hidden frames are occluded; positions that are not
in the picture are outside.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from motes.common.values import shortest
from motes.coordinates import CORNER_DOWN, inside
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.keys import Keys, check_span, numbers, to_tracks
from motes.export.numbers import all_trimmed
from motes.tracks import Tracks

LABEL = "point"

HEAD = """\
<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <name>motes</name>
      <size>{size}</size>
      <mode>interpolation</mode>
      <start_frame>0</start_frame>
      <stop_frame>{stop}</stop_frame>
      <labels>
{labels}      </labels>
      <original_size>
        <width>{W}</width>
        <height>{H}</height>
      </original_size>
    </task>
  </meta>
"""

LABEL_TEXT = """\
        <label>
          <name>{}</name>
          <type>points</type>
          <attributes></attributes>
        </label>
"""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write every frame as a key frame."""
    names = [name or LABEL for name in tracks.names or (LABEL,) * len(tracks)] or [LABEL]
    labels = "".join(LABEL_TEXT.format(escape(name)) for name in dict.fromkeys(names))
    (W, H), count = tracks.size, tracks.frames.stop + settings.first
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEAD.format(size=count, stop=max(count - 1, 0), labels=labels, W=W, H=H))
        for row, id in enumerate(tracks.ids):
            if tracks.num_frames:
                label = quoteattr(names[row])
                file.write(f'  <track id="{id}" label={label} source="auto">\n')
                file.writelines(_keys(tracks, row, settings))
                file.write("  </track>\n")
        file.write("</annotations>\n")


def _keys(tracks: Tracks, row: int, settings: Settings) -> Iterator[str]:
    xy = CORNER_DOWN.from_pixels(shortest(tracks.xy[row]), tracks.size)
    outside = ~(inside(tracks.xy[row], tracks.size) & settings.written(tracks)[row])
    x, y = (all_trimmed(xy[:, axis].tolist()) for axis in (0, 1))
    flags = (outside.tolist(), (~tracks.visible[row]).tolist())
    frames = [frame + settings.first for frame in tracks.frames]
    for frame, out, hidden, a, b in zip(frames, *flags, x, y, strict=True):
        yield (
            f'    <points frame="{frame}" keyframe="1" outside="{out:d}" occluded="{hidden:d}" '
            f'points="{a},{b}" z_order="0"></points>\n'
        )


def read(path: Path, footage: Footage) -> Tracks:
    """Read tracks of single points; frames between two key frames lie on a straight line.

    Raises:
        InputError: It is something else, or a shape has several points.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"expected annotations of CVAT; {error}") from None
    if root.tag != "annotations":
        raise InputError(f"expected annotations of CVAT, got <{root.tag}>")
    sizes = [root.findtext(f"meta/*/original_size/{side}") or "" for side in ("width", "height")]
    size = (int(sizes[0]), int(sizes[1])) if all(s.isdigit() for s in sizes) else None
    tracks = [track for track in root.iter("track") if track.find("points") is not None]
    points = [_read_track(track) for track in tracks]
    return to_tracks(points, footage.together_with(size), CORNER_DOWN)


def _read_track(track: ElementTree.Element) -> Keys:
    label = track.get("label", LABEL)
    name = f"point_{track.get('id', '')}" if label == LABEL else label
    shapes = sorted((_shape(shape, name) for shape in track.iter("points")), key=lambda s: s[0])
    while shapes and shapes[-1][3]:  # the track has ended
        shapes.pop()
    if shapes:
        check_span(shapes[0][0], shapes[-1][0], 1, len(shapes))
    return _fill(name, shapes)


def _shape(shape: ElementTree.Element, name: str) -> tuple[int, list[float], bool, bool]:
    """Frame, position, and whether it is hidden and outside."""
    words = shape.get("points", "").replace(",", " ").split()
    if len(words) != 2:
        raise InputError(f"{name}: expected shapes of one point, got {len(words) // 2}")
    [frame] = numbers([shape.get("frame", "")], 1, f"{name}, frame")
    outside = shape.get("outside") == "1"
    hidden = outside or shape.get("occluded") == "1"
    return int(frame), numbers(words, 2, f"{name}, frame {int(frame)}"), hidden, outside


def _fill(name: str, shapes: Sequence[tuple[int, list[float], bool, bool]]) -> Keys:
    """The key frames, and every frame between two of them where the point is not outside."""
    frames, xy, visible = [], [], []
    for (frame, here, hidden, outside), after in zip(shapes, [*shapes[1:], None], strict=True):
        stop = frame + 1 if outside or after is None else after[0]
        there = here if after is None else after[1]
        length = 1 if after is None else max(after[0] - frame, 1)
        for t in range(frame, stop):
            frames.append(t)
            xy.append(np.array(here) + (np.array(there) - here) * ((t - frame) / length))
            visible.append(not hidden)
    return Keys(name, frames, xy, visible)


CVAT = Format(
    ".cvat.xml",
    "CVAT for video 1.1 (visible points outside the picture come back hidden)",
    write,
    read,
    first=0,
    hidden=(KEEP, DROP),
)
