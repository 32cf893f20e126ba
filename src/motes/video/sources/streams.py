"""Frames that pass by once: iterators and cameras."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from motes.errors import FileError, InputError
from motes.tracks import DEFAULT_FPS
from motes.video.pixels import Levels, as_rgb, is_deep, source_array
from motes.video.sources.base import Source, size_of
from motes.video.sources.images import quiet_opencv

log = logging.getLogger(__name__)


def open_iterator(source: Any) -> Source | None:
    """An iterator of frames, each as `motes.video.pixels.as_rgb` takes them."""
    if isinstance(source, (str, os.PathLike)) or not isinstance(source, Iterable):
        return None
    return StreamSource(source, "iterator")


def open_camera(source: Any) -> Source | None:
    """The number of a camera, also as text (``0`` or ``"0"``), or an open `cv2.VideoCapture`."""
    if isinstance(source, cv2.VideoCapture):
        return StreamSource(_captured(source), "capture", _rate(source))
    if isinstance(source, str) and source.isdecimal() and not Path(source).exists():
        source = int(source)
    if not isinstance(source, (int, np.integer)):
        return None
    name = f"camera {source}"
    capture = _capture(int(source), name)
    return StreamSource(_captured(capture), name, _rate(capture))


def _rate(capture: cv2.VideoCapture) -> Fraction:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return Fraction(rate).limit_denominator(1001) if rate > 0 else DEFAULT_FPS


class StreamSource(Source):
    """A one-shot iterator: only the newest frame is kept, until the first random access."""

    once = True

    def __init__(self, pictures: Iterable[Any], name: str, fps: Fraction = DEFAULT_FPS) -> None:
        self.name, self.fps = name, fps
        self._pictures = iter(pictures)
        self._held: dict[int, np.ndarray] = {}
        self._taken = 0
        self._ended = self._remembers = False
        self._levels: Levels | None = None
        first = self._frame(0)
        if first is None:
            raise InputError(f"{name}: expected at least one frame, got none")
        self.size = size_of(first)

    @property
    def num_frames(self) -> int | None:
        """Number of frames; None until the iterator has ended."""
        return self._taken if self._ended else None

    def frames(self, start: int) -> Iterator[np.ndarray]:
        """See `Source.frames`."""
        number = start
        while (frame := self._frame(number)) is not None:
            yield self.checked(frame, number)
            number += 1

    def remember(self, start: int, stop: int) -> None:
        """Keep every frame from now on, unless only the newest one is wanted."""
        newest = start in self._held and stop == start + 1
        self._remembers |= not newest

    def forget(self) -> None:
        """From now on hold only the newest frame, and those before it that are to pass yet."""
        self._remembers = False

    def _frame(self, number: int) -> np.ndarray | None:
        """The frame of this number; None after the end."""
        while self._taken <= number and not self._ended:
            self._take()
        if number < self._taken and number not in self._held:
            raise InputError(
                f"{self.name}: frame {number} has passed already; "
                "to read frames again, give a file or an array"
            )
        return self._held.get(number)

    def _take(self) -> None:
        missing = object()
        picture = next(self._pictures, missing)
        if picture is missing:
            self._ended = True
            return
        if not self._remembers:
            self._held.clear()
        what = f"{self.name}: frame {self._taken}"
        array = source_array(picture, what)
        if self._taken == 0 and is_deep(array.dtype):
            self._levels = Levels.of_depth(array)
            log.warning("%s: values up to %g are scaled to 8 bits", self.name, self._levels.white)
        self._held[self._taken] = as_rgb(array, what, self._levels)
        self._taken += 1


def _capture(index: int, name: str) -> cv2.VideoCapture:
    with quiet_opencv():
        capture = cv2.VideoCapture(index)
    if not capture.isOpened():
        raise FileError(f"{name}: expected a camera that can be opened, found none")
    return capture


def _captured(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    try:
        while (answer := capture.read())[0]:
            yield cv2.cvtColor(answer[1], cv2.COLOR_BGR2RGB)
    finally:
        capture.release()
