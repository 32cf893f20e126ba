"""``.comfy.json``: track lists of ComfyUI nodes such as Wan-Move and ATI.

All tracks have all frames; hidden frames cannot be marked.
"""

from pathlib import Path

from motes.coordinates import CENTRE_DOWN
from motes.export.base import KEEP, Format, Settings
from motes.export.curves import Curve, Curves
from motes.export.numbers import real
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write one list of positions a point."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for number, curve in enumerate(Curves(tracks, settings, CENTRE_DOWN)):
            file.write((", " if number else "") + _track(curve))
        file.write("]\n")


def _track(curve: Curve) -> str:
    rows = [f'{{"x": {real(x)}, "y": {real(y)}}}' for x, y in curve.xy.tolist()]
    return f"[{', '.join(rows)}]"


COMFY = Format(".comfy.json", "ComfyUI, track lists", write, hidden=(KEEP,))
