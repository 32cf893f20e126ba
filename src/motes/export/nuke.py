"""``.nk``: a Tracker4 node of Nuke.

Frames in which a point is hidden keep their key and are switched off in the track's ``enable``.
The error is 1 - confidence.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from motes.coordinates import CORNER_UP
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.curves import Curve, Curves
from motes.export.keys import Keys, read_text, to_tracks
from motes.export.numbers import all_trimmed, frame_rate
from motes.tracks import Tracks

COLUMNS = (
    ("5 1 20", "enable", "e"),
    ("3 1 75", "name", "name"),
    ("2 1 58", "track_x", "track_x"),
    ("2 1 58", "track_y", "track_y"),
    ("2 1 63", "offset_x", "offset_x"),
    ("2 1 63", "offset_y", "offset_y"),
    ("4 1 27", "T", "T"),
    ("4 1 27", "R", "R"),
    ("4 1 27", "S", "S"),
    ("2 0 45", "error", "error"),
    *(("1 1 0", name, name) for name in ("error_min", "error_max")),
    *(
        ("1 1 0", f"{box}_{side}", f"{box}_{side}")
        for box in ("pattern", "search")
        for side in "xyrt"
    ),
    ("2 1 0", "key_track", "key_track"),
    *(("2 1 0", f"key_search_{side}", f"key_search_{side}") for side in "xyrt"),
    *(("2 1 0", f"key_track_{side}", f"key_track_{side}") for side in "xyrt"),
    *(("2 1 0", f"key_centre_offset_{axis}", f"key_centre_offset_{axis}") for axis in "xy"),
)
"""Type, visibility and width of each column, its name and its label, as Nuke 8 to 13 write them."""

BOXES = "-32 -32 32 32 -22 -22 22 22"
"""The pattern around a point, and the margin of the search area, in pixels."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write one row of the node a point; the first one is ticked to drive the node's transform."""
    curves = Curves(tracks, settings, CORNER_UP)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        columns = "\n".join(f"{{ {kind} {name} {label} 1 }} " for kind, name, label in COLUMNS)
        file.write(f"Tracker4 {{\n tracks {{ {{ 1 31 {len(curves)} }} \n{{ {columns}\n}} \n{{ \n")
        for number, curve in enumerate(curves):
            file.write(_row(curve, is_first=number == 0))
        file.write("} \n}\n name motes\n selected true\n xpos 0\n ypos 0\n}\n")


def _row(curve: Curve, is_first: bool) -> str:
    start = f"{{curve K x{curve.frames[0]} 0}}"
    cells = [
        _enable(curve),
        f'"{curve.name}"',
        curve_text(curve.frames, curve.xy[:, 0]),
        curve_text(curve.frames, curve.xy[:, 1]),
        f"{start} {start}",
        "1 0 0" if is_first else "0 0 0",
        curve_text(curve.frames, 1 - curve.confidence),
        f"0 0 {BOXES}",
        "{} " * 11,
    ]
    return f" {{ {' '.join(cells)}}} \n"


def _enable(curve: Curve) -> str:
    """A key at the first frame, and wherever the point becomes hidden or visible."""
    changed = np.diff(curve.visible, prepend=not curve.visible[0])
    keys = zip(curve.frames[changed].tolist(), curve.visible[changed].tolist(), strict=True)
    return "{curve K " + " ".join(f"x{frame} {seen:d}" for frame, seen in keys) + "}"


def curve_text(frames: np.ndarray, values: np.ndarray) -> str:
    """A curve with an explicit frame before every value, so that gaps do not shift anything."""
    keys = zip(frames.tolist(), all_trimmed(values.tolist()), strict=True)
    return "{curve " + " ".join([f"x{frame} {value}" for frame, value in keys]) + "}"


def read(path: Path, footage: Footage) -> Tracks:
    """Read all Tracker4 and Tracker3 nodes of a script, also those inside groups.

    Size, frame rate and first frame are those of the script's ``Root``, where it has one.

    Raises:
        InputError: The file is no Nuke script, or a track is driven by an expression.
    """
    text = read_text(path)
    nodes = [(kind, _knobs(body)) for kind, body in _blocks(text, "Tracker[34]|Root")]
    root = next((knobs for kind, knobs in nodes if kind == "Root"), {})
    points = [keys for kind, knobs in nodes for keys in _points(kind, knobs)]
    if not any(kind != "Root" for kind, _ in nodes):
        raise InputError("expected a Nuke script with a Tracker4 node, found none")
    first = int(float(root.get("first_frame", 1)))
    return to_tracks(points, _with_root(footage, root), CORNER_UP, first)


def _with_root(footage: Footage, root: dict[str, str]) -> Footage:
    W, H, *_ = [*root.get("format", "").replace('"', "").split(), "", ""]
    size = (int(W), int(H)) if W.isdigit() and H.isdigit() else None
    fps = frame_rate(root["fps"]) if "fps" in root else None
    return Footage(footage.size or size, footage.fps or fps, footage.first)  # a plate may differ


def _points(kind: str, knobs: dict[str, str]) -> Iterator[Keys]:
    if kind == "Tracker3":
        for n in range(1, 5):
            cells = split_list(knobs.get(f"track{n}", ""))
            if len(cells) == 2 and all(_curve(cell, f"track{n}") for cell in cells):
                x, y = cells
                yield _keys(f"track{n}", x, y, knobs.get(f"enable{n}", "1"), "0")
    elif kind == "Tracker4" and "tracks" in knobs:
        _, columns, rows = [*split_list(knobs["tracks"]), "", "", ""][:3]
        names = [split_list(column)[3] for column in split_list(columns)]
        for row in split_list(rows):
            cell = dict(zip(names, split_list(row), strict=False))
            if not {"track_x", "track_y"} <= cell.keys():
                raise InputError(f"expected the columns track_x and track_y, got {' '.join(names)}")
            name = cell.get("name", "track")
            yield _keys(
                name,
                cell["track_x"],
                cell["track_y"],
                cell.get("enable", "1"),
                cell.get("error", "0"),
            )


def _keys(name: str, x: str, y: str, enable: str, error: str) -> Keys:
    at_x, at_y = _curve(x, name), _curve(y, name)
    frames = sorted(at_x.keys() & at_y.keys())
    seen = _held(_curve(enable, name) or {0: 1.0}, frames) != 0
    confidence = (1 - _held(_curve(error, name) or {0: 0.0}, frames)).clip(0, 1)
    return Keys(name, frames, [(at_x[f], at_y[f]) for f in frames], seen, confidence)


def _held(curve: dict[int, float], frames: Sequence[int]) -> np.ndarray:
    """The value of the last key at or before each frame."""
    known = sorted(curve)
    index = np.searchsorted(known, frames, "right") - 1
    return np.array([curve[known[max(i, 0)]] for i in index])


def _curve(cell: str, name: str) -> dict[int, float]:
    """The keys of a curve, by frame.

    A key without a frame follows the one before in the step between the last two.
    """
    words = cell.replace('"', " ").replace("{", " ").replace("}", " ").split()
    if words == ["true"] or words == ["false"]:
        return {0: float(words == ["true"])}
    is_curve = words[:1] == ["curve"]
    keys: dict[int, float] = {}
    frame: int | None = None
    before: list[int] = []
    for word in words[1:] if is_curve else words:
        if re.fullmatch(r"[KLSRCkl]|[stuv]-?[\d.].*", word):
            continue
        if match := re.fullmatch(r"x(-?[\d.]+(?:e[+-]?\d+)?)", word):
            frame = round(float(match[1]))
            continue
        try:
            value = float(word)
        except ValueError:
            raise InputError(f"{name}: expected keys, got an expression: {cell[:60]!r}") from None
        if frame is None:
            frame = (
                before[-1] + (before[-1] - before[-2] if len(before) > 1 else 1) if before else 0
            )
        keys[frame] = value
        before, frame = [*before[-1:], frame], None
    return keys


def _blocks(text: str, kinds: str) -> Iterator[tuple[str, str]]:
    """Kind and content of the nodes of some kinds."""
    for match in re.finditer(rf"(?m)^\s*({kinds}) \{{", text):
        end = _closing(text, match.end() - 1)
        yield match[1], text[match.end() : end]


def _knobs(body: str) -> dict[str, str]:
    words = split_list(body)
    return dict(zip(words[::2], words[1::2], strict=False))


def split_list(text: str) -> list[str]:
    """Split a Tcl list: blanks separate, braces nest, quotes hold blanks.

    Raises:
        InputError: A brace is not closed.
    """
    words, i = [], 0
    while match := _WORD.match(text, i):
        if match[1]:
            end = _closing(text, match.start(1))
            words.append(text[match.end(1) : end])
            i = end + 1
        else:
            words.append(match[3] if match[2] is None else match[2])
            i = match.end()
    return words


_WORD = re.compile(r'\s*(?:(\{)|"((?:\\.|[^"\\])*)"|([^\s]+))', re.S)
_BRACE = re.compile(r"\\.|[{}]", re.S)


def _closing(text: str, start: int) -> int:
    """Where the brace at `start` is closed."""
    depth = 0
    for match in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    raise InputError("expected a Nuke script, got a brace that is not closed")


NUKE = Format(".nk", "Nuke, a Tracker4 node", write, read, first=1, hidden=(KEEP, DROP))
