"""Runs an exported script in Blender itself, and compares every marker; not part of ``make test``.

    pip install bpy==5.0.1          # 370 MB, GPL; in an environment of its own, with motes' sources
    python tests/manual/blender.py  # in PYTHONPATH: src and tests

Writes 20 points x 30 frames as ``.blender.py``, opens a one-frame clip of 641 x 479, runs the script,
and prints the largest distance between a marker and its point, in pixels.
"""

import runpy
import tempfile
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np

from motes import Tracks

SIZE = (641, 479)
TOLERANCE = 1e-4
"""Pixels; Blender holds float32."""


def make() -> Tracks:
    """Points in and around the picture."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(-60, 700, (20, 30, 2))
    return Tracks(xy, rng.random((20, 30)) < 0.7, size=SIZE, fps=Fraction(25), start=4)


def open_clip(folder: Path) -> bpy.types.MovieClip:
    """A clip of one black picture."""
    image = bpy.data.images.new("picture", *SIZE)
    image.filepath_raw, image.file_format = str(folder / "0001.png"), "PNG"
    image.save()
    return bpy.data.movieclips.load(str(folder / "0001.png"))


def main() -> None:
    tracks = make()
    with tempfile.TemporaryDirectory() as name:
        clip = open_clip(Path(name))
        script = Path(name, "t.blender.py")
        tracks.save(script)
        runpy.run_path(str(script))
    worst = 0.0
    for point, track in zip(range(len(tracks)), clip.tracking.tracks, strict=True):
        for column, marker in enumerate(track.markers):
            x, y = marker.co[0] * SIZE[0] - 0.5, (1 - marker.co[1]) * SIZE[1] - 0.5
            worst = max(worst, *np.abs(tracks.xy[point, column] - (x, y)))
            if (
                marker.frame != tracks.start + column + 1
                or marker.mute == tracks.visible[point, column]
            ):
                raise SystemExit(f"point {point}, frame {marker.frame}: wrong frame or mute")
    print(f"Blender {bpy.app.version_string}: {len(clip.tracking.tracks)} tracks, {worst:.1e} px")
    if worst > TOLERANCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
