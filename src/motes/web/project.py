"""Project files: which video, which queries and corrections, and the tracks that came of them.

A ``.motes`` file is a NumPy ``.npz``: the text ``project`` (JSON) and the arrays ``xy`` float32
``[N, T, 2]``, ``visible`` bool ``[N, T]`` and ``confidence`` float32 ``[N, T]``.  Positions are
pixels of the video, frames count from 0.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from motes.common.files import replacing
from motes.errors import FileError, InputError, MotesError
from motes.web.document import Document, clean_name
from motes.web.points import DIRECTIONS, Key, Point, Track

VERSION = 1
MAX_BYTES = 4 * 2**30
"""Unpacked, at most."""


@dataclass(frozen=True)
class Project:
    """A project file in memory.

    Attributes:
        source: Where the video came from; see `Document`.
        name: Name of the video.
        size: ``(W, H)``.
        num_frames: Of the video.
        points: Its points.
    """

    source: dict[str, Any]
    name: str
    size: tuple[int, int]
    num_frames: int
    points: tuple[Point, ...]

    def check_video(self, size: tuple[int, int], num_frames: int) -> None:
        """Make sure that a video is the one of this project.

        Raises:
            InputError: Its size or length differs.
        """
        if (tuple(size), num_frames) != (self.size, self.num_frames):
            (W, H), (w, h) = self.size, size
            raise InputError(
                f"{self.name}: expected {W}x{H} pixels and {self.num_frames} frames, as the "
                f"project has, got {w}x{h} and {num_frames}"
            )


def save_project(document: Document, path: Path) -> None:
    """Write a document to a file, whole or not at all.

    Raises:
        FileError: It cannot be written.
    """
    info, points = document.footage.info, list(document.points.values())
    header = {
        "version": VERSION,
        "source": document.source,
        "name": info.name,
        "size": info.size,
        "frames": info.num_frames,
        "points": [_packed(p) for p in points],
    }
    T = info.num_frames
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            project=np.array(json.dumps(header)),
            xy=np.array([p.track.xy for p in points], np.float32).reshape(-1, T, 2),
            visible=np.array([p.track.visible for p in points], bool).reshape(-1, T),
            confidence=np.array([p.track.confidence for p in points], np.float32).reshape(-1, T),
        )


def load_project(path: Path, name: str) -> Project:
    """Read a project file.

    Args:
        path: The file.
        name: For messages.

    Raises:
        FileError: It cannot be read.
        InputError: It is no project file, or its content does not fit.
    """
    try:
        _check_size(path, name)
        with np.load(path, allow_pickle=False) as content:
            header = json.loads(str(content["project"]))
            arrays = tuple(content[key] for key in ("xy", "visible", "confidence"))
        return _project(header, arrays)
    except MotesError:
        raise
    except OSError as error:
        raise FileError(f"{name}: cannot be read: {error.strerror or 'not a project'}") from None
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError):
        raise InputError(f"{name}: expected a project that motes serve has saved") from None


def _check_size(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as file:
        size = sum(member.file_size for member in file.infolist())
    if size > MAX_BYTES:
        raise InputError(f"{name}: expected a project of at most {MAX_BYTES} bytes, got {size}")


def _packed(point: Point) -> dict[str, Any]:
    return {
        "id": point.id,
        "name": point.name,
        "keys": [[k.t, k.x, k.y] for k in point.keys],
        "direction": point.direction,
        "hidden": point.hidden,
        "complete": point.track.complete,
    }


def _project(header: dict[str, Any], arrays: tuple[np.ndarray, ...]) -> Project:
    if header["version"] != VERSION:
        raise InputError(f"project: expected version {VERSION}, got {header['version']}")
    W, H = (int(v) for v in header["size"])
    T, N = int(header["frames"]), len(header["points"])
    for values, shape in zip(arrays, ((N, T, 2), (N, T), (N, T)), strict=True):
        if values.shape != shape or not np.isfinite(values).all():
            raise ValueError("array")
    points = tuple(_unpacked(p, *rows) for p, *rows in zip(header["points"], *arrays, strict=True))
    if len({p.id for p in points}) != N or min((p.id for p in points), default=1) < 1:
        raise ValueError("ids")
    for key in (k for p in points for k in p.keys):
        if not (0 <= key.t < T and -0.5 <= key.x <= W - 0.5 and -0.5 <= key.y <= H - 0.5):
            raise ValueError("key")
    return Project(dict(header["source"]), str(header["name"]), (W, H), T, points)


def _unpacked(
    packed: dict[str, Any], xy: np.ndarray, visible: np.ndarray, confidence: np.ndarray
) -> Point:
    keys = tuple(Key(int(t), float(x), float(y)) for t, x, y in packed["keys"])
    if packed["direction"] not in DIRECTIONS or not keys:
        raise ValueError("point")
    track = Track(xy.astype(np.float32), visible.astype(bool), confidence.astype(np.float32))
    track.confidence.clip(0, 1, out=track.confidence)
    if packed["complete"]:
        track.finish()
    name, hidden = clean_name(str(packed["name"])), bool(packed["hidden"])
    return Point(int(packed["id"]), name, keys, packed["direction"], track, hidden)
