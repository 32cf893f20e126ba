"""Animated GIF with a palette of its own for every frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from motes.video.sinks.base import Kind, Plan, Sink

TICK = Fraction(1, 100)
"""A GIF counts time in hundredths of a second."""

SHORTEST = 2
"""Ticks; browsers show a frame that asks for less for a tenth of a second."""


class GifSink(Sink):
    """Frames beyond 50 per second are left out, as no player shows them at their time."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self._plan = plan
        last = {"final_delay": str(max(SHORTEST, round(1 / (plan.fps * TICK))))}
        self._graph = _palettes(plan.size)
        self._container = av.open(f"file:{path}", "w", format="gif", options=last)
        self._stream = self._container.add_stream("gif")
        self._stream.width, self._stream.height = plan.size
        self._stream.pix_fmt = "pal8"
        self._stream.time_base = self._stream.codec_context.time_base = TICK
        self._count = self._next = 0

    def write(self, frame: np.ndarray) -> None:
        """See `Sink.write`."""
        time = round(self._plan.seconds(self._count) / TICK)
        self._count += 1
        if time < self._next:
            return
        self._next = time + SHORTEST
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = time, TICK
        self._encode(picture)

    def close(self) -> None:
        """See `Sink.close`."""
        with self._container:
            self._encode(None)
            self._container.mux(self._stream.encode(None))

    def _encode(self, picture: av.VideoFrame | None) -> None:
        self._graph.push(picture)
        for ready in _pulled(self._graph):
            self._container.mux(self._stream.encode(ready))


def _palettes(size: tuple[int, int]) -> av.filter.Graph:
    """Each frame goes two ways: to make its 256 colours, and to be drawn with them."""
    W, H = size
    graph = av.filter.Graph()
    source = graph.add_buffer(width=W, height=H, format=av.VideoFormat("rgb24"), time_base=TICK)
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single")
    draw = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(draw, 1, 0)
    palette.link_to(draw, 0, 1)
    draw.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _pulled(graph: av.filter.Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return


GIF = Kind(".gif", "animated GIF, a palette a frame", GifSink)
