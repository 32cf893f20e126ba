"""``.mayalive.txt``: tracks of Maya Live; the residual is 1 - confidence."""

from pathlib import Path

from motes.coordinates import MAYA_LIVE as CONVENTION
from motes.export.base import DROP, KEEP, Format, Settings
from motes.export.curves import Curves
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the size, then name and keys of each point."""
    W, H = tracks.size
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"#  Size  {W}  {H}\n")
        for number, curve in enumerate(Curves(tracks, settings, CONVENTION)):
            values = (*curve.xy.T.tolist(), (1 - curve.confidence).tolist())
            keys = zip(curve.frames.tolist(), *values, strict=True)
            rows = [f"{number} {f} {x:z.10f} {y:z.10f} {r:z.10f}\n" for f, x, y, r in keys]
            file.write(f"#  Name  {curve.name}\n" + "".join(rows))


MAYA_LIVE = Format(".mayalive.txt", "Maya Live", write, first=0, hidden=(DROP, KEEP))
