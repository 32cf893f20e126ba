"""``.ae.txt``: keyframes of one point, to be pasted into After Effects.

Hidden frames cannot be marked.  Pasting puts the first key at the current time, so the user goes to
its frame first.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from motes.coordinates import CORNER_DOWN
from motes.errors import InputError
from motes.export.after_effects import rate
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.curves import Curve, Curves
from motes.export.keys import Keys, numbers, read_text, to_tracks
from motes.export.numbers import all_trimmed, frame_rate
from motes.tracks import Tracks

TITLE = "Keyframe Data"


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the position of the one point."""
    blocks = [
        block("Transform\tPosition", "X pixels\tY pixels\tZ pixels", curve, "\t0")
        for curve in Curves(tracks, settings, CORNER_DOWN)
    ]
    path.write_text(document(tracks, blocks), encoding="utf-8", newline="\n")


def document(tracks: Tracks, blocks: Iterable[str]) -> str:
    """Keyframe data with a header and some blocks of keys."""
    W, H = tracks.size
    return (
        f"Adobe After Effects 8.0 {TITLE}\n\n"
        f"\tUnits Per Second\t{rate(tracks.fps)}\n"
        f"\tSource Width\t{W}\n\tSource Height\t{H}\n"
        "\tSource Pixel Aspect Ratio\t1\n\tComp Pixel Aspect Ratio\t1\n\n"
        f"{''.join(blocks)}\nEnd of {TITLE}\n"
    )


def block(title: str, columns: str, curve: Curve, ending: str = "") -> str:
    """The keys of one property."""
    x, y = (all_trimmed(curve.xy[:, axis].tolist()) for axis in (0, 1))
    keys = zip(curve.frames.tolist(), x, y, strict=True)
    rows = "".join([f"\t{frame}\t{a}\t{b}{ending}\t\n" for frame, a, b in keys])
    return f"{title}\n\tFrame\t{columns}\t\n{rows}\n"


def read(path: Path, footage: Footage) -> Tracks:
    """Read positions and the feature centres of trackers; the header gives size and frame rate.

    Raises:
        InputError: It is something else, or a key is not a number.
    """
    text = read_text(path)
    if TITLE not in text[:200]:
        raise InputError(f"expected keyframe data of After Effects, got {text[:40]!r}")
    facts = dict(re.findall(r"(?m)^\t([A-Z][A-Za-z ]+)\t([\d.]+)\s*$", text))
    points: dict[str, Keys] = {}
    confidence: dict[str, dict[int, float]] = {}
    for title, rows in _blocks(text):
        name, what = _name(title, len(points)), title[-1]
        keys = [numbers(row, 2 if what == "Confidence" else 3, title[0]) for row in rows]
        if what == "Confidence":
            confidence[name] = {int(f): percent / 100 for f, percent in keys}
        elif what == "Feature Center" or title in (["Transform", "Position"], ["Position"]):
            points[name] = Keys(name, [int(k[0]) for k in keys], [k[1:3] for k in keys])
    scored = [_with_confidence(point, confidence.get(point.name)) for point in points.values()]
    return to_tracks(scored, _with_header(footage, facts), CORNER_DOWN)


def _name(title: list[str], number: int) -> str:
    """Of a track point, or of the layer's position."""
    return " ".join(title[1:-1]) if len(title) > 2 else f"point_{number}"


def _with_confidence(point: Keys, known: dict[int, float] | None) -> Keys:
    if known is None:
        return point
    values = [min(max(known.get(int(f), 1.0), 0), 1) for f in point.frames]
    return Keys(point.name, point.frames, point.xy, None, values)


def _with_header(footage: Footage, facts: dict[str, str]) -> Footage:
    size = fps = None
    if {"Source Width", "Source Height"} <= facts.keys():
        size = (int(float(facts["Source Width"])), int(float(facts["Source Height"])))
    text = facts.get("Units Per Second")
    if text and (footage.fps is None or rate(footage.fps) != text):
        fps = frame_rate(text)
    return footage.together_with(size, fps)


def _blocks(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The title of each block of keys, and its rows; rows without a frame are left out."""
    title: list[str] = []
    rows: list[list[str]] = []
    for line in text.splitlines():
        cells = line.rstrip().split("\t")
        if line.startswith("\t"):
            if cells[1] and cells[1][0] in "-0123456789":
                rows.append(cells[1:])
        elif line.strip():
            if rows:
                yield title, rows
            title, rows = cells, []
    if rows:
        yield title, rows


AE_TEXT = Format(
    ".ae.txt",
    "After Effects, keyframes of one point to paste",
    write,
    read,
    first=0,
    hidden=(KEEP, DROP),
    points=1,
)
