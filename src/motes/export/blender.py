"""``.blender.py``: a script for Blender that makes one marker track a point in the open clip.

Hidden frames become muted markers.  Clip frame 1 is the first frame of the footage, always.
"""

from pathlib import Path

from motes.coordinates import UNIT_UP
from motes.export.base import DROP, KEEP, Format, Settings
from motes.export.curves import Curve, Curves
from motes.tracks import Tracks

FIRST_CLIP_FRAME = 1

HEAD = """\
# {N} points, {W} x {H}, by motes.  Open the footage in the Movie Clip Editor, then run this \
in the Text Editor.
import json

import bpy

SIZE = ({W}, {H})
TRACKS = json.loads(r'["""

TAIL = """\
]')


def footage():
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "CLIP_EDITOR" and area.spaces.active.clip:
                return area.spaces.active.clip
    clips = [clip for clip in bpy.data.movieclips if tuple(clip.size) == SIZE]
    if not clips:
        raise RuntimeError("open the footage ({W} x {H}) in the Movie Clip Editor first")
    return clips[0]


clip = footage()
if tuple(clip.size) != SIZE:
    raise RuntimeError("these tracks are for %d x %d, the clip is %d x %d" % (*SIZE, *clip.size))
half = clip.tracking.settings.default_search_size / 2
for name, keys in TRACKS:
    track = clip.tracking.tracks.new(name=name, frame=keys[0][0])
    for frame, x, y, seen in keys:
        marker = track.markers.insert_frame(frame)
        marker.co = (x, y)
        marker.search_min = (-half / SIZE[0], -half / SIZE[1])
        marker.search_max = (half / SIZE[0], half / SIZE[1])
        marker.mute = not seen
    track.lock = True
"""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the tracks as data of the script; points that are never visible are left out."""
    settings = Settings(FIRST_CLIP_FRAME, settings.hidden)
    curves = Curves(tracks, settings, UNIT_UP, seen_only=True)
    W, H = tracks.size
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEAD.format(N=len(curves), W=W, H=H))
        for number, curve in enumerate(curves):
            file.write(("," if number else "") + _track(curve))
        file.write(TAIL.replace("{W}", str(W)).replace("{H}", str(H)))


def _track(curve: Curve) -> str:
    x, y = curve.xy.T.tolist()
    keys = zip(curve.frames.tolist(), x, y, curve.visible.tolist(), strict=True)
    rows = [f"[{f},{_exact(a)},{_exact(b)},{seen:d}]" for f, a, b, seen in keys]
    return f'["{curve.name}",[{",".join(rows)}]]'


def _exact(value: float) -> str:
    text = repr(value)
    return f"{value:.20f}" if "e" in text else text


BLENDER = Format(
    ".blender.py", "Blender, a script that makes marker tracks", write, hidden=(KEEP, DROP)
)
