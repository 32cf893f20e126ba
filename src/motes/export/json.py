"""``.json``: the fields of `Tracks` as plain lists, for the web and for other languages."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from motes.errors import InputError
from motes.export.base import Format
from motes.tracks import Tracks

VERSION = 1
SHAPES = {"xy": (2,), "visible": (), "confidence": ()}
"""Fields that are ``[N, T, ...]``; an empty list would lose the shape, so it is put back."""


def write(tracks: Tracks, path: Path) -> None:
    """Write ``{"format": "motes-tracks", "version": 1, "frames": T, "xy": [...], ...}``."""
    content = {"format": "motes-tracks", "version": VERSION, "frames": tracks.num_frames}
    content |= {name: _plain(value) for name, value in tracks.to_dict().items()}
    path.write_text(json.dumps(content), encoding="utf-8")


def read(path: Path) -> Tracks:
    """Read what `write` wrote.

    Raises:
        InputError: Not JSON, not tracks, or a field does not fit.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"expected JSON; {error}") from None
    if not isinstance(content, dict) or content.get("format") != "motes-tracks":
        raise InputError('expected an object with "format": "motes-tracks"')
    if content.get("version") != VERSION:
        raise InputError(f"expected version {VERSION}, got {content.get('version')}")
    try:
        return Tracks.from_dict(_with_shapes(content))
    except (TypeError, KeyError) as error:
        raise InputError(f"expected the fields of tracks; {error}") from None
    except ValueError as error:
        raise InputError(str(error)) from None


def _with_shapes(content: dict[str, Any]) -> dict[str, Any]:
    N, T = len(content["ids"]), content["frames"]
    arrays = {n: np.array(content[n]).reshape(N, T, *shape) for n, shape in SHAPES.items()}
    return content | arrays | {"queries": np.array(content["queries"]).reshape(N, 3)}


def _plain(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == np.float32:  # the shortest decimals that give the same float32 back
        return [_plain(v) for v in value] if value.ndim > 1 else [float(str(v)) for v in value]
    return value.tolist()


JSON = Format(".json", "plain lists, for the web and for other languages", write, read)
