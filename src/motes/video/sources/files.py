"""Video files and URLs, decoded by PyAV (FFmpeg).

A frame's number is its rank in the order of presentation, from the first frame that decodes.  A
frame that does not decode keeps its number: the frame before is repeated in its place.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from functools import cached_property
from itertools import chain, islice
from typing import Any

import av
import numpy as np

from motes.errors import FileError
from motes.tracks import DEFAULT_FPS
from motes.video.sound import Sound
from motes.video.sources.base import Source, size_of
from motes.video.sources.complete import is_cut_off
from motes.video.sources.decode import (
    DamagedError,
    Shown,
    in_order,
    open_container,
    orientation,
    packets,
    seek,
    shown,
    shown_aspect,
    to_rgb,
    video_stream,
)
from motes.video.sources.index import FrameIndex
from motes.video.sources.names import Place, ranges
from motes.video.sources.timing import Timing

Opened = tuple[av.container.InputContainer, av.VideoStream]


def open_file(source: Any) -> Source | None:
    """A video file, an animated GIF or PNG, a URL that PyAV opens, or the bytes of a file."""
    if isinstance(source, (bytes, bytearray)):
        return FileSource(Place("bytes", content=bytes(source)))
    place = Place.of(source)
    if place is None:
        return None
    if place.path is not None and not place.path.exists():
        raise FileError(f"{source}: expected a video, found no such file or folder")
    return FileSource(place)


class FileSource(Source):
    """A stream of compressed frames.

    Reading from the start needs nothing but the decoder.  The first request for the length, the
    frame rate or a later frame reads through the packets once, without decoding them
    (`FrameIndex`).
    """

    def __init__(self, place: Place) -> None:
        self.name, self._place = place.name, place
        self.files = (place.path,) if place.path else ()
        self._read: int | None = None  # number of frames, once all have been read
        self._damaged: set[int] = set()
        self._ended: str | None = None  # why fewer frames came than announced
        with self._open() as (container, stream):
            self._container = container.format.name
            self._announced = _announced(container, stream)
            self._has_sound = container.streams.best("audio") is not None
            self._unit = Fraction(stream.time_base or 1)
            self._rates = [r for r in (stream.guessed_rate, stream.average_rate) if r]
            aspect = Fraction(stream.sample_aspect_ratio or 1)
        first = self._first()
        self._first_time = first.time
        self._orient = orientation(first.frame)
        self.pixel_aspect = shown_aspect(first.frame, aspect)
        self.size = size_of(self._picture(first.frame))

    def _first(self) -> Shown:
        """The first frame that decodes."""
        for threads in (True, False):
            with closing(self._pass(None, threads)) as items, suppress(DamagedError):
                if (first := next(items, None)) is not None:
                    return first
        raise FileError(f"{self.name}: expected a video, got a file without a frame that decodes")

    @property
    def num_frames(self) -> int | None:
        """Frames in the file; None where the packets do not tell, until all have been read."""
        if self._read is not None:
            return self._read
        return self._index.num_frames if self._indexed else None

    @property
    def fps(self) -> Fraction:  # type: ignore[override]
        """Frames per second, exact; the average where the rate varies."""
        return self._timing.fps

    @property
    def times(self) -> np.ndarray | None:  # type: ignore[override]
        """See `Source.times`."""
        return self._timing.times

    @cached_property
    def _timing(self) -> Timing:
        if self._indexed and len(self._index.times) > 1:
            return Timing.of(self._index.times, self._unit, self._rates)
        return Timing(self._rates[0] if self._rates else DEFAULT_FPS)

    def sound(self, start: int, end: int | None) -> Sound | None:
        """See `Source.sound`."""
        if not self._has_sound or not self._indexed or self._first_time is None:
            return None
        stop = None if end is None or end >= (self.num_frames or 0) else self._seconds(end)
        return Sound(self._place, self._seconds(start), stop)

    def _seconds(self, number: int) -> float:
        """When a frame is shown, on the clock of the file."""
        if number < len(self._index.times):
            return float(self._index.times[number] * self._unit)
        return float((self._first_time or 0) * self._unit + number / self.fps)

    @property
    def _indexed(self) -> bool:
        """Whether reading through the packets is cheap: not over a network."""
        return self._place.is_local

    def frames(self, start: int) -> Iterator[np.ndarray]:
        """See `Source.frames`."""
        number = start
        for number, item in enumerate(self._shown_from(start), start + 1):
            picture = self._picture(item.frame)
            if size_of(picture) != self.size:
                self._note_end(number - 1, "the size changes to {}x{}".format(*size_of(picture)))
                return
            if item.damaged:
                self._damaged.add(number - 1)
            yield picture
        if number > start:
            self._note_end(number, self._why_fewer(number))

    def _picture(self, frame: av.VideoFrame) -> np.ndarray:
        return self._orient(to_rgb(frame))

    def _note_end(self, read: int, why: str | None) -> None:
        self._read = read
        total = max(self._announced, self._index.num_frames or 0 if self._indexed else 0)
        of = f"{read} of {total}" if total > read else f"{read}"
        self._ended = f"read {of} frames; {why}" if why else None

    @property
    def problem(self) -> str | None:  # type: ignore[override]
        """See `Source.problem`; of the frames that were read so far."""
        damaged = f"damaged: frames {ranges(self._damaged)}" if self._damaged else None
        reasons = [reason for reason in (self._ended, damaged) if reason]
        return f"{self.name}: {'; '.join(reasons)}" if reasons else None

    def _why_fewer(self, read: int) -> str | None:
        path = self._place.path
        cut_off = path is not None and is_cut_off(path, self._container)
        return "the file is truncated or damaged" if cut_off or read < self._announced else None

    def _shown_from(self, start: int) -> Iterator[Shown]:
        """Decode from a keyframe before `start`; from the beginning, where that is not certain."""
        for key in self._keys_before(start):
            if items := self._approach(key, start):
                yield from items
                return
        yield from islice(self._decoded(), start, None)

    def _keys_before(self, start: int) -> tuple[int, ...]:
        """None, if packets are known not to decode: then their times do not number the frames."""
        if start == 0 or not self._indexed or self._read not in (None, self._index.num_frames):
            return ()
        return self._index.keys_before(start)

    def _approach(self, key: int, start: int) -> Iterator[Shown] | None:
        """Frames `start`, ... decoded from a keyframe; None, if those before do not fit."""
        items = self._decoded(key)
        first = self._index.number(key)
        item = None
        for expected in self._index.times[first : start + 1]:
            item = next(items, None)
            if item is None or item.damaged or item.time != expected:
                return None
        return None if item is None else chain([item], items)

    def _decoded(self, key: int | None = None) -> Iterator[Shown]:
        """Decode with several threads; where something is damaged, with one."""
        times = self._index.times if self._indexed else ()
        first = 0 if key is None else self._index.number(key)
        done = 0
        try:
            for item in self._pass(key, threads=True):
                yield item
                done += 1
        except DamagedError:
            again = in_order(self._pass(key, threads=False), times, first)
            yield from islice(again, done, None)

    def _pass(self, key: int | None, threads: bool) -> Generator[Shown]:
        with self._open() as (container, stream):
            stream.thread_type = "AUTO" if threads else "NONE"
            if key is None:
                yield from shown(stream, packets(container, stream), threads)
            else:
                yield from shown(stream, seek(container, stream, key), threads, after=key)

    @cached_property
    def _index(self) -> FrameIndex:
        with self._open() as (container, stream):
            return FrameIndex.scan(container, stream, self._first_time)

    @contextmanager
    def _open(self) -> Iterator[Opened]:
        with open_container(self._place.target(), self.name) as container:
            yield container, video_stream(container, self.name)


def _announced(container: Any, stream: Any) -> int:
    """How many frames the header promises; 0, if it does not say."""
    kept = sum(not entry.is_discard for entry in stream.index_entries)
    return min(stream.frames, kept or stream.frames)
