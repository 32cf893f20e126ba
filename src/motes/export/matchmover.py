"""``.rz2``: 2-D tracks of MatchMover.

That (0, 0) is the corner of the picture, and not the centre of its first pixel, is assumed.
"""

from pathlib import Path

from motes.coordinates import CORNER_DOWN
from motes.export.base import DROP, KEEP, Format, Settings
from motes.export.curves import Curves
from motes.export.numbers import all_trimmed
from motes.tracks import Tracks

BOXES = "s( 66 66 64 64 ) p( 24 24 25 25 )"
"""Search and pattern area of a key that was set by hand, in pixels."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the footage, then one block a point; its first key is set, the others are tracked."""
    (W, H), frames = tracks.size, tracks.frames
    first, last = frames.start + settings.first, frames.stop - 1 + settings.first
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            'imageSequence "Sequence 01"\n{\n'
            f'\t{W}\t{H}\tf( "motes" )\tb( {first} {max(first, last)} 1 )\t\n}}\n'
        )
        for curve in Curves(tracks, settings, CORNER_DOWN):
            file.write(f'pointTrack "{curve.name}" rgb( 255 0 0 )\n{{\n')
            confidence = all_trimmed(curve.confidence.tolist())
            keys = zip(curve.frames.tolist(), *curve.xy.T.tolist(), confidence, strict=True)
            for number, (frame, x, y, c) in enumerate(keys):
                kind = f"p+( {c} )" if number else f"ki( {c} ) {BOXES}"
                file.write(f"\t{frame}\t{x:z.6f}\t{y:z.6f}\t{kind}\n")
            file.write("}\n")


MATCHMOVER = Format(
    ".rz2", "MatchMover, 2-D tracks (half a pixel assumed)", write, first=1, hidden=(DROP, KEEP)
)
