"""``.setting``: a Tracker of Fusion and DaVinci Resolve, one animated path a point.

Hidden frames cannot be marked.
"""

from collections.abc import Iterator
from pathlib import Path

from motes.coordinates import UNIT_UP
from motes.export.base import DROP, KEEP, Format, Settings
from motes.export.curves import Curve, Curves
from motes.export.numbers import all_trimmed, trimmed
from motes.tracks import Tracks

PLACES = 10

PATH = """\
		Tracker1Path{n} = XYPath {{
			ShowKeyPoints = false,
			DrawMode = "ModifyOnly",
			Inputs = {{
				X = Input {{ SourceOp = "Tracker1Path{n}X", Source = "Value", }},
				Y = Input {{ SourceOp = "Tracker1Path{n}Y", Source = "Value", }},
			}},
		}},
"""

SPLINE = """\
		Tracker1Path{n}{axis} = BezierSpline {{
			SplineColor = {{ Red = {red}, Green = {green}, Blue = 0 }},
			NameSet = true,
			KeyFrames = {{
{keys}			}}
		}},
"""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the tracker, then the paths with their splines."""
    curves = Curves(tracks, settings, UNIT_UP)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("{\n\tTools = ordered() {\n\t\tTracker1 = Tracker {\n\t\t\tTrackers = {\n")
        file.writelines(map(_pattern, curves))
        file.write("\t\t\t},\n\t\t\tCtrlWZoom = false,\n\t\t\tInputs = {\n")
        for n, curve in enumerate(curves, 1):
            file.writelines(_inputs(n, curve))
        file.write("\t\t\t},\n\t\t\tViewInfo = OperatorInfo { Pos = { 0, 0 } },\n\t\t},\n")
        for n, curve in enumerate(curves, 1):
            file.write(PATH.format(n=n) + _spline(n, curve, 0) + _spline(n, curve, 1))
        file.write('\t},\n\tActiveTool = "Tracker1"\n}\n')


def _pattern(curve: Curve) -> str:
    x, y = _first(curve)
    return (
        f"\t\t\t\t{{\n\t\t\t\t\tPatternTime = {curve.frames[0]},\n"
        f"\t\t\t\t\tPatternX = {x},\n\t\t\t\t\tPatternY = {y}\n\t\t\t\t}},\n"
    )


def _inputs(n: int, curve: Curve) -> Iterator[str]:
    x, y = _first(curve)
    yield f'\t\t\t\tName{n} = Input {{ Value = "{curve.name}", }},\n'
    yield f"\t\t\t\tPatternCenter{n} = Input {{ Value = {{ {x}, {y} }}, }},\n"
    yield (
        f'\t\t\t\tTrackedCenter{n} = Input {{ SourceOp = "Tracker1Path{n}", Source = "Value", }},\n'
    )


def _first(curve: Curve) -> tuple[str, str]:
    x, y = curve.xy[0]
    return trimmed(x, PLACES), trimmed(y, PLACES)


def _spline(n: int, curve: Curve, axis: int) -> str:
    keys = zip(curve.frames.tolist(), all_trimmed(curve.xy[:, axis].tolist(), PLACES), strict=True)
    rows = [f"\t\t\t\t[{f}] = {{ {v}, Flags = {{ Linear = true }} }},\n" for f, v in keys]
    red, green = ((255, 0), (0, 255))[axis]
    return SPLINE.format(n=n, axis="XY"[axis], red=red, green=green, keys="".join(rows))


FUSION = Format(
    ".setting",
    "Fusion and DaVinci Resolve, a Tracker",
    write,
    first=0,
    hidden=(KEEP, DROP),
)
