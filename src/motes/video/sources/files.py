"""Video files and URLs, decoded by PyAV (FFmpeg).

A frame's number is its place in the order of presentation, from the first that decodes.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData

from motes.errors import FileError
from motes.tracks import DEFAULT_FPS
from motes.video.pixels import on_black
from motes.video.sources.base import Source, size_of

Orient = Callable[[np.ndarray], np.ndarray]
Opened = tuple[av.container.InputContainer, av.VideoStream]


def open_file(source: Any) -> Source | None:
    """A video file, an animated GIF, or a URL that PyAV opens."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    text = str(source)
    if "://" in text:
        return FileSource(text, text)
    path = Path(source).expanduser()
    if not path.exists():
        raise FileError(f"{text}: expected a video, found no such file or folder")
    return FileSource(str(path), path.name)


class FileSource(Source):
    """A stream of compressed frames.

    Reading from the start needs nothing but the decoder.  The first request for the length or for
    a later frame reads through the packets once, without decoding them (`FrameIndex`).
    """

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self._address = address
        self.files = _local_files(address)
        self._read: int | None = None  # number of frames, once all have been read
        with self._open() as (container, stream):
            self.fps = stream.guessed_rate or stream.average_rate or DEFAULT_FPS
            self._announced = _announced(container, stream)
            first = next(_decoded(container, stream), None)
        if first is None:
            raise FileError(f"{name}: expected a video, got a file without a frame that decodes")
        self._first_time = first.pts
        self._orient = orientation(first)
        self.size = size_of(self._orient(to_rgb(first)))

    @property
    def num_frames(self) -> int | None:
        """Frames that the file holds; None for what is not a local file, until it has been read."""
        if self._read is not None:
            return self._read
        return self._index.num_frames if Path(self._address).is_file() else None

    def frames(self, start: int) -> Iterator[np.ndarray]:
        """See `Source.frames`."""
        number = start
        for frame in self._decoded_from(start):
            yield self.checked(self._orient(to_rgb(frame)), number)
            number += 1
        if number > start:
            self._note_end(number)

    def _note_end(self, read: int) -> None:
        self._read = read
        if read < self._announced:
            of = f"{read} of {self._announced} frames"
            self.problem = f"{self.name}: read {of}; the file is truncated or damaged"

    def _decoded_from(self, start: int) -> Iterator[av.VideoFrame]:
        """Decode from the nearest keyframe before `start`; from the beginning, if that fails."""
        time = self._index.time(start) if start and self._is_whole else None
        for key in self._index.keys_before(time):
            frames = dropwhile(lambda frame: _before(frame, time), self._decoded(key))
            first = next(frames, None)
            if first is not None and first.pts == time:
                yield from chain([first], frames)
                return
        yield from islice(self._decoded(), start, None)

    def _decoded(self, key: int | None = None) -> Iterator[av.VideoFrame]:
        with self._open() as (container, stream):
            if key is not None:
                with suppress(av.FFmpegError):  # what cannot seek is read from the beginning
                    container.seek(key, stream=stream)
            yield from _decoded(container, stream)

    @cached_property
    def _index(self) -> FrameIndex:
        with self._open() as (container, stream):
            return FrameIndex.scan(container, stream, self._first_time)

    @property
    def _is_whole(self) -> bool:
        """False, if packets are known not to decode: then their times do not number the frames."""
        return self._read in (None, self._index.num_frames)

    @contextmanager
    def _open(self) -> Iterator[Opened]:
        try:
            # A packet that is cut short would decode to half a picture.
            container = av.open(self._address, options={"fflags": "+discardcorrupt"})
        except (av.FFmpegError, OSError) as error:
            reason = error.strerror or type(error).__name__
            raise FileError(f"{self.name}: expected a video, got: {reason}") from error
        with container:
            yield container, _video_stream(container, self.name)


def _local_files(address: str) -> tuple[Path, ...]:
    """The file of a path or a ``file:`` URL; none for what comes over a network."""
    scheme, _, path = address.rpartition("://")
    return (Path(unquote(path)),) if scheme in ("", "file") else ()


@dataclass(frozen=True)
class FrameIndex:
    """When each frame is shown, as the packets tell.

    Attributes:
        num_frames: Number of frames.
        times: Ascending, in units of the stream; empty where the container does not tell.
        keys: Those of `times` where decoding can begin.
    """

    num_frames: int
    times: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()

    @classmethod
    def scan(cls, container: Any, stream: Any, first: int | None) -> FrameIndex:
        """Read all packets; those before the time `first` belong to frames that are not shown."""
        packets = [(packet.pts, packet.is_keyframe) for packet in _packets(container, stream)]
        timed = [(time, is_key) for time, is_key in packets if time is not None]
        if first is None or len(dict(timed)) < len(packets):
            return cls(len(packets))
        shown = sorted((time, is_key) for time, is_key in timed if time >= first)
        keys = tuple(time for time, is_key in shown if is_key)
        return cls(len(shown), tuple(time for time, _ in shown), keys)

    def time(self, number: int) -> int | None:
        """When frame `number` is shown; None, if unknown."""
        return self.times[number] if number < len(self.times) else None

    def keys_before(self, time: int | None) -> tuple[int, ...]:
        """The nearest keyframe up to a time, and the one before it, as a seek may land late."""
        last = 0 if time is None else bisect_right(self.keys, time)
        return self.keys[max(last - 2, 0) : last][::-1]


def _before(frame: av.VideoFrame, time: int | None) -> bool:
    return frame.pts is not None and time is not None and frame.pts < time


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """The pixels of a decoded frame of any format: uint8 RGB ``[H, W, 3]``, alpha on black."""
    if frame.format.has_palette or any(c.is_alpha for c in frame.format.components):
        return on_black(frame.to_ndarray(format="rgba"))
    return frame.to_ndarray(format="rgb24")


def orientation(frame: av.VideoFrame) -> Orient:
    """How to turn the frames upright, as their display matrix asks.

    The matrix (FFmpeg, libavutil/display.h) maps a position of the stored frame to
    ``(a x + c y, b x + d y)``; cameras write quarter turns and mirrors.
    """
    side_data: Any = frame.side_data
    matrix = side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return lambda picture: picture
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(int)
    turned = abs(b) > abs(a)
    flip_x, flip_y = (c < 0, b < 0) if turned else (a < 0, d < 0)

    def upright(picture: np.ndarray) -> np.ndarray:
        picture = picture.swapaxes(0, 1) if turned else picture
        return np.ascontiguousarray(picture[:: -1 if flip_y else 1, :: -1 if flip_x else 1])

    return upright


def _video_stream(container: Any, name: str) -> av.VideoStream:
    """The main video stream; neither cover art nor text that FFmpeg would draw."""
    stream = container.streams.best("video")
    if stream is None or stream.codec_context.name == "ansi" or _is_cover(stream):
        raise FileError(f"{name}: expected a video, got a file without a video stream")
    stream.thread_type = "AUTO"
    return stream


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)


def _packets(container: Any, stream: Any) -> Iterator[av.Packet]:
    """Packets that hold data, to the end of the file or to where it cannot be read any more."""
    with suppress(av.FFmpegError):
        yield from (packet for packet in container.demux(stream) if packet.size)


def _decoded(container: Any, stream: Any) -> Iterator[av.VideoFrame]:
    """Every frame that decodes; packets that do not are passed over."""
    for packet in chain(_packets(container, stream), [None]):
        with suppress(av.FFmpegError):
            yield from stream.codec_context.decode(packet)


def _announced(container: Any, stream: Any) -> int:
    """How many frames the header promises; 0, if it does not say."""
    kept = sum(not entry.is_discard for entry in stream.index_entries)
    return min(stream.frames, kept or stream.frames)
