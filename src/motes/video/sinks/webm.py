"""VP9 in WebM, a format without patents."""

from __future__ import annotations

from motes.video.sinks.base import Kind
from motes.video.sinks.compressed import Coding

VP9 = {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
"""Constant quality, at a speed that suits footage of a minute."""

WEBM = Kind(".webm", "VP9 video for the web", Coding("webm", "libvpx-vp9", VP9).open)
