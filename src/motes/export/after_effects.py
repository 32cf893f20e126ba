"""``.jsx``: a script for After Effects that makes one null object a point.

Opacity 100 and 0 says visible and hidden.  Times are frames times ``comp.frameDuration``, because
After Effects keeps 29.97 and not 30000/1001.
"""

from fractions import Fraction
from pathlib import Path

from motes.coordinates import CORNER_DOWN
from motes.export.base import DROP, KEEP, Format, Settings
from motes.export.curves import Curve, Curves
from motes.export.numbers import all_trimmed, trimmed
from motes.tracks import Tracks

HEAD = """\
// {N} points, {W} x {H}, {fps} fps, by motes.  File > Scripts > Run Script File...
(function () {{
  var WIDTH = {W}, HEIGHT = {H}, FPS = {fps}, FRAMES = {frames};
  var TRACKS = ["""

TAIL = """
  ];
  var comp = app.project.activeItem;
  if (comp instanceof CompItem && (comp.width !== WIDTH || comp.height !== HEIGHT)) {
    alert("These tracks are for " + WIDTH + " x " + HEIGHT + ", this composition is " + \
comp.width + " x " + comp.height + ".");
    return;
  }
  app.beginUndoGroup("motes tracks");
  if (!(comp instanceof CompItem)) {
    comp = app.project.items.addComp("motes", WIDTH, HEIGHT, 1, FRAMES / FPS, FPS);
  }
  for (var i = 0; i < TRACKS.length; i++) {
    var track = TRACKS[i], times = [], opacity = [];
    for (var k = 0; k < track.frames.length; k++) {
      times.push(track.frames[k] * comp.frameDuration);
      opacity.push(track.seen[k] * 100);
    }
    var layer = comp.layers.addNull(comp.duration);
    layer.name = track.name;
    var transform = layer.property("ADBE Transform Group");
    transform.property("ADBE Position").setValuesAtTimes(times, track.xy);
    var shown = transform.property("ADBE Opacity");
    shown.setValuesAtTimes(times, opacity);
    for (var j = 1; j <= shown.numKeys; j++) {
      shown.setInterpolationTypeAtKey(j, KeyframeInterpolationType.HOLD, \
KeyframeInterpolationType.HOLD);
    }
  }
  app.endUndoGroup();
}());
"""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the tracks as data of the script."""
    curves = Curves(tracks, settings, CORNER_DOWN)
    (W, H), frames = tracks.size, max(tracks.frames.stop + settings.first, 1)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEAD.format(N=len(curves), W=W, H=H, fps=rate(tracks.fps), frames=frames))
        for number, curve in enumerate(curves):
            file.write((",\n    " if number else "\n    ") + _track(curve))
        file.write(TAIL)


def _track(curve: Curve) -> str:
    frames = ",".join(map(str, curve.frames.tolist()))
    x, y = (all_trimmed(curve.xy[:, axis].tolist()) for axis in (0, 1))
    xy = ",".join([f"[{a},{b}]" for a, b in zip(x, y, strict=True)])
    seen = ",".join(map(str, curve.visible.astype(int).tolist()))
    return f'{{name: "{curve.name}", frames: [{frames}], xy: [{xy}], seen: [{seen}]}}'


def rate(fps: Fraction) -> str:
    """A frame rate as After Effects writes it: 25, 29.97, 23.976."""
    return trimmed(float(fps), 3)


AFTER_EFFECTS = Format(
    ".jsx", "After Effects, a script that makes null objects", write, first=0, hidden=(KEEP, DROP)
)
