"""Videos that pass by once: standard input, named pipes, open files that cannot seek."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from motes.errors import InputError
from motes.tracks import DEFAULT_FPS
from motes.video.sources.base import Source, size_of
from motes.video.sources.decode import (
    open_container,
    orientation,
    packets,
    shown,
    to_rgb,
    video_stream,
)
from motes.video.sources.files import FileSource
from motes.video.sources.names import STDIN, Place, is_pipe, local_path
from motes.video.sources.streams import StreamSource


def open_pipe(source: Any) -> Source | None:
    """``-`` for standard input, a FIFO, a process substitution of the shell, or an open file."""
    if hasattr(source, "read"):
        return _open_object(source)
    if not isinstance(source, (str, os.PathLike)) or not is_pipe(source):
        return None
    if str(source) == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError("-: expected a video on standard input, got a terminal")
        return PipeSource("pipe:0", "standard input")
    return PipeSource(f"file:{local_path(source)}", str(source))


def _open_object(file: Any) -> Source | None:
    """An open binary file: again from its path, if it has one; else all of it, if it can seek."""
    name = getattr(file, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        return FileSource(Place.of(name) or Place(name))
    if getattr(file, "seekable", lambda: False)():
        file.seek(0)
        content = file.read()
        if not isinstance(content, bytes):
            raise InputError("file: expected one that is open for reading bytes, got text")
        return FileSource(Place("file", content=content))
    return PipeSource(file, "file")


class PipeSource(StreamSource):
    """A video file that is read once, from the start to the end."""

    def __init__(self, target: Any, name: str) -> None:
        self._container = open_container(target, name)
        self._stream = video_stream(self._container, name)
        rate = self._stream.guessed_rate or self._stream.average_rate or DEFAULT_FPS
        self.pixel_aspect = Fraction(self._stream.sample_aspect_ratio or 1)
        super().__init__(self._pictures_of(name), name, Fraction(rate))

    def _pictures_of(self, name: str) -> Iterator[np.ndarray]:
        with self._container:
            orient, size = None, None
            self._stream.thread_type = "NONE"  # several would lose frames beside a damaged one
            found = shown(self._stream, packets(self._container, self._stream), threads=False)
            for number, item in enumerate(found):
                orient = orient or orientation(item.frame)
                picture = orient(to_rgb(item.frame))
                size = size or size_of(picture)
                if size_of(picture) != size:
                    W, H = size_of(picture)
                    self.problem = f"{name}: read {number} frames; the size changes to {W}x{H}"
                    return
                yield picture
