"""What all compressed video files have in common: colours, times, the shape of pixels, sound."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from motes.video.sinks.base import Plan, Sink
from motes.video.sound import SoundCopy

BT709 = 1
"""Code of BT.709 for primaries, transfer and matrix (ITU-T H.273)."""


@dataclass(frozen=True)
class Coding:
    """How a kind of file is compressed.

    Attributes:
        container: Format of the file, as FFmpeg calls it.
        codec: Encoder, as FFmpeg calls it.
        codec_options: Its options.
        container_options: Those of the format.
    """

    container: str
    codec: str
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)

    def open(self, path: Path, plan: Plan) -> Sink:
        """A sink for one file."""
        return CompressedSink(path, plan, self)


class CompressedSink(Sink):
    """yuv420p, BT.709; odd sizes get one more row or column."""

    def __init__(self, path: Path, plan: Plan, coding: Coding) -> None:
        W, H = plan.size
        self._plan, self._margin = plan, (H % 2, W % 2)
        options = dict(coding.container_options)
        self._container = av.open(f"file:{path}", "w", format=coding.container, options=options)
        self._stream = _add_stream(self._container, coding, plan)
        self._sound = SoundCopy(plan.sound, self._container) if plan.sound else None
        self._count = 0

    def write(self, frame: np.ndarray) -> None:
        """See `Sink.write`."""
        bottom, right = self._margin
        padded: Any = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts, picture.time_base = self._plan.ticks(self._count), self._plan.tick
        picture.duration = self._plan.ticks(self._count + 1) - picture.pts
        if self._sound:
            self._sound.until(float(self._plan.seconds(self._count)))
        self._count += 1
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """See `Sink.close`."""
        with ExitStack() as stack:
            stack.enter_context(self._container)
            if self._sound:
                stack.callback(self._sound.close)
            self._container.mux(self._stream.encode(None))
            if self._sound and self._count:
                self._sound.until(float(self._plan.seconds(self._count)))


def _add_stream(container: Any, coding: Coding, plan: Plan) -> Any:
    W, H = plan.size
    options = dict(coding.codec_options)
    stream = container.add_stream(coding.codec, rate=plan.fps, options=options)
    stream.width, stream.height, stream.pix_fmt = W + W % 2, H + H % 2, "yuv420p"
    context = stream.codec_context
    stream.time_base = context.time_base = plan.tick
    context.sample_aspect_ratio = plan.pixel_aspect
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = ColorRange.MPEG
    return stream
