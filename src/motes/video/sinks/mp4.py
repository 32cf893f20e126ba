"""H.264 in mp4, as every browser plays it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from motes.video.sinks.base import Kind, Sink

QUALITY = {"crf": "18", "preset": "medium"}
"""Options of x264; a lower crf is better and larger, 18 is close to lossless to the eye."""

BT709 = 1
"""Code of BT.709 in H.264 for primaries, transfer and matrix (ITU-T H.273)."""


class Mp4Sink(Sink):
    """yuv420p, BT.709, the index in front (faststart); odd sizes get one more row or column."""

    def __init__(self, path: Path, size: tuple[int, int], fps: Fraction) -> None:
        W, H = size
        self._margin = H % 2, W % 2
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream("libx264", rate=fps, options=QUALITY)
        self._stream.width, self._stream.height = W + W % 2, H + H % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = ColorRange.MPEG
        self._count = 0

    def write(self, frame: np.ndarray) -> None:
        """See `Sink.write`."""
        bottom, right = self._margin
        padded: Any = cv2.copyMakeBorder(frame, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts = self._count
        self._count += 1
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """See `Sink.close`."""
        with self._container:
            self._container.mux(self._stream.encode(None))


MP4 = Kind(".mp4", "H.264 video that plays in a browser", Mp4Sink)
