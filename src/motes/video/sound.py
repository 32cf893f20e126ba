"""The sound of a video, copied into another file without decoding it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av

from motes.video.sources.decode import packets
from motes.video.sources.names import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sound:
    """A stretch of the main sound of a file.

    Attributes:
        place: Where the file is.
        start: Seconds, on the clock of the file.
        stop: The same; None: to the end.
    """

    place: Place
    start: float
    stop: float | None = None


class SoundCopy:
    """Copies sound into a container, packet by packet, as its video grows."""

    def __init__(self, sound: Sound, out: Any) -> None:
        """Add the stream of sound; to be called before the first packet of `out`."""
        self._source: Any = av.open(sound.place.target())
        self._out, self._sound = out, sound
        self._next: Any = None
        self._packets: Iterator[Any] = iter(())
        stream = self._source.streams.best("audio")
        codec = stream and stream.codec_context.name
        if stream is None or codec not in out.supported_codecs:
            if stream is not None:
                log.warning("%s: its sound (%s) cannot be copied", sound.place.name, codec)
            return
        self._stream = out.add_stream_from_template(stream)
        self._packets = self._wanted(stream)

    def until(self, seconds: float) -> None:
        """Copy what is heard before a time of the video."""
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = packet
            if float(packet.pts * packet.time_base) >= seconds:
                return
            self._out.mux(packet)
            self._next = None

    def close(self) -> None:
        """Close the file that is read."""
        self._source.close()

    def _wanted(self, stream: Any) -> Iterator[Any]:
        """Packets of the stretch, whose times count from its start."""
        shift = round(self._sound.start / stream.time_base)
        stop = self._sound.stop
        self._source.seek(max(shift, 0), stream=stream)
        for packet in packets(self._source, stream):
            if packet.pts is None or packet.pts < shift:
                continue
            if stop is not None and packet.pts * stream.time_base >= stop:
                return
            packet.pts, packet.dts = packet.pts - shift, (packet.dts or packet.pts) - shift
            packet.stream = self._stream
            yield packet
