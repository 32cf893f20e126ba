"""A folder of PNG files, without loss."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from motes.video.sinks.base import Kind, Plan, Sink


class ImageSink(Sink):
    """``00000.png``, ``00001.png``, ..."""

    def __init__(self, path: Path, plan: Plan) -> None:
        path.mkdir()
        self._folder = path
        self._count = 0

    def write(self, frame: np.ndarray) -> None:
        """See `Sink.write`."""
        _, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        (self._folder / f"{self._count:05d}.png").write_bytes(data.tobytes())
        self._count += 1

    def close(self) -> None:
        """See `Sink.close`; every image is complete already."""


IMAGES = Kind("", "folder of PNG images", ImageSink)
