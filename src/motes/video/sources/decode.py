"""From a container to decoded frames: packets, damage, order, pixels."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from math import inf
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData

from motes.errors import FileError
from motes.video.pixels import on_black

SILENT_SERVER = 30.0
"""Seconds to wait for a server that says nothing."""

Orient = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Shown:
    """One frame in the order of presentation.

    Attributes:
        time: In units of the stream; None where the container has no times.
        frame: The picture; that of the frame before, where there is none.
        damaged: Whether pixels are missing, or concealed by the decoder.
        lossy: Whether a packet did not decode since the last keyframe: frames may be missing.
    """

    time: int | None
    frame: av.VideoFrame
    damaged: bool = False
    lossy: bool = False


class DamagedError(Exception):
    """A packet does not decode, while several threads decode: frames near it may be lost."""


def open_container(target: Any, name: str) -> av.container.InputContainer:
    """Open what PyAV opens: an address, or a file object.

    Raises:
        FileError: It cannot be opened.
    """
    try:
        return av.open(target, timeout=SILENT_SERVER)
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise FileError(f"{name}: expected a video, got: {reason}") from error


def video_stream(container: Any, name: str) -> av.VideoStream:
    """The main video stream; neither cover art nor text that FFmpeg would draw."""
    stream = container.streams.best("video")
    if stream is None or stream.codec_context.name == "ansi" or _is_cover(stream):
        raise FileError(f"{name}: expected a video, got a file without a video stream")
    return stream


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)


def packets(container: Any, stream: Any) -> Iterator[av.Packet]:
    """Packets that hold data, to the end of the file or to where it cannot be read any more.

    The last packet is left out where it is cut short, because it would decode to half a picture.
    """
    cut_short = None
    for packet in _demuxed(container, stream):
        if cut_short is not None:
            yield cut_short
        cut_short = packet if packet.is_corrupt else None
        if cut_short is None:
            yield packet


def _demuxed(container: Any, stream: Any) -> Iterator[av.Packet]:
    while True:
        try:
            yield from (packet for packet in container.demux(stream) if packet.size)
            return
        except av.FFmpegError:
            return
        except IndexError:  # PyAV: another stream appears in the middle of the file
            continue


def seek(container: Any, stream: Any, key: int) -> Iterator[av.Packet]:
    """The packets from the keyframe at the time `key` on; none, if it cannot be found.

    The decoder sees the first packet of the file before: old x264 says there with which faults it
    has encoded, and a decoder that does not know them gives garbage.
    """
    first = next(packets(container, stream), None)
    with suppress(av.FFmpegError):
        stream.codec_context.decode(first)
    try:
        container.seek(key, stream=stream)
    except av.FFmpegError:
        return
    found = packets(container, stream)
    for packet in found:
        if packet.is_keyframe and packet.pts == key:
            yield from chain([packet], found)
            return
        if packet.dts is not None and packet.dts > key:
            return


def shown(
    stream: Any, content: Iterator[av.Packet], threads: bool, after: int | None = None
) -> Iterator[Shown]:
    """Decode packets.

    Args:
        stream: The stream of the packets.
        content: The packets.
        threads: Whether several threads decode.
        after: Frames before this time are not given: they need packets before `content`.

    Yields:
        Every frame that decodes.

    Raises:
        DamagedError: There is damage, and `threads`; decode again without.
    """
    waiting: set[int] = set()  # times of the packets whose frames have not come yet
    failed: float | None = None  # time of the last packet that did not decode
    last = -inf
    for packet in chain(content, [None]):
        if packet is not None and packet.pts is not None and not packet.is_discard:
            waiting.add(packet.pts)
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError:
            if threads:
                raise DamagedError from None
            frames, failed = [], inf if packet is None or packet.pts is None else packet.pts
        for frame in frames:
            time = frame.pts
            if time is not None:
                waiting.discard(time)
                last = max(last, time)
                if frame.key_frame and failed is not None and time > failed:
                    failed = None
            if after is None or time is None or time >= after:
                yield Shown(time, frame, bool(frame.is_corrupt), failed is not None)
    if threads and last > -inf and any(time > last for time in waiting):
        raise DamagedError  # at the end of a file PyAV loses the frames beside a damaged one


def in_order(items: Iterator[Shown], times: Sequence[int], first: int) -> Iterator[Shown]:
    """Give frames that do not decode their place again: the frame before is repeated there.

    Args:
        items: From frame `first` on.
        times: When each frame of the file is shown; empty, if unknown.
        first: Number of the first frame.

    Yields:
        One item a frame.
    """
    number, last = first, None
    for item in items:
        if times and item.lossy and item.time is not None and last is not None:
            place = bisect_left(times, item.time)
            if place < number:
                continue  # too late: a frame that is shown later came before
            yield from (replace(last, time=time, damaged=True) for time in times[number:place])
            number = max(number, place)
        yield item
        number, last = number + 1, item
    if last is not None and last.lossy:
        yield from (replace(last, time=time, damaged=True) for time in times[number:])


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
    if (matrix := _display_matrix(frame)) is None:
        return lambda picture: picture
    a, b, c, d = matrix
    turned = abs(b) > abs(a)
    flip_x, flip_y = (c < 0, b < 0) if turned else (a < 0, d < 0)

    def upright(picture: np.ndarray) -> np.ndarray:
        picture = picture.swapaxes(0, 1) if turned else picture
        return np.ascontiguousarray(picture[:: -1 if flip_y else 1, :: -1 if flip_x else 1])

    return upright


def shown_aspect(frame: av.VideoFrame, stored: Fraction) -> Fraction:
    """Width by height of a pixel of the upright frame, from that of the stored frame."""
    a, b, *_ = _display_matrix(frame) or (1, 0)
    return 1 / stored if abs(b) > abs(a) else stored


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """The part ``a, b, c, d`` of the matrix that does not move."""
    side_data: Any = frame.side_data
    matrix = side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return None
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return a, b, c, d
