"""``.json``: the fields of `Tracks` as plain lists, for the web and for other languages."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from motes.common.values import real_array, shortest_decimals, whole, whole_array
from motes.errors import InputError
from motes.export.base import Footage, Format, Settings
from motes.tracks import Tracks

VERSION = 1
NUMBERS_AT_ONCE = 2**16
SHAPES = {"xy": (2,), "visible": (), "confidence": ()}
"""Fields that are ``[N, T, ...]``; an empty list would lose the shape, so it is put back."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write ``{"format": "motes-tracks", "version": 1, "frames": T, "xy": [...], ...}``."""
    head = {"format": "motes-tracks", "version": VERSION, "frames": tracks.num_frames}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1])
        for name, value in tracks.to_dict().items():
            file.write(f', "{name}": ')
            file.writelines(_text(value))
        file.write("}")


def _text(value: Any) -> Iterator[str]:
    """The JSON of a field; of arrays some rows at a time, so that memory stays flat."""
    if not isinstance(value, np.ndarray):
        yield json.dumps(value)
        return
    step = max(NUMBERS_AT_ONCE * len(value) // max(value.size, 1), 1)
    yield "["
    for first in range(0, len(value), step):
        yield (", " if first else "") + json.dumps(_plain(value[first : first + step]))[1:-1]
    yield "]"


def read(path: Path, footage: Footage) -> Tracks:
    """Read what `write` wrote.

    Raises:
        InputError: Not JSON, not tracks, or a field does not fit.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON; {error}") from None
    if not isinstance(content, dict) or content.get("format") != "motes-tracks":
        raise InputError('expected an object with "format": "motes-tracks"')
    if content.get("version") != VERSION:
        raise InputError(f"expected version {VERSION}, got {content.get('version')!r:.40}")
    return Tracks.from_dict(_with_shapes(content))


def _with_shapes(content: dict[str, Any]) -> dict[str, Any]:
    """The fields with the arrays in shape, as far as they are there."""
    ids = whole_array("ids", content.get("ids", []))
    frames = whole("frames", content.get("frames", 0))
    shapes = {name: (ids.size, frames, *rest) for name, rest in SHAPES.items()}
    shapes["queries"] = (ids.size, 3)
    arrays = {n: _shaped(n, content[n], shape) for n, shape in shapes.items() if n in content}
    return content | arrays


def _shaped(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = real_array(name, value)
    if min(shape) < 0 or array.size != math.prod(shape):
        raise InputError(f"{name}: expected shape {list(shape)}, got {list(array.shape)}")
    return array.reshape(shape)


def _plain(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return shortest_decimals(value) if value.dtype == np.float32 else value.tolist()


JSON = Format(
    ".json", "plain lists, for the web and for other languages", write, read, lossless=True
)
