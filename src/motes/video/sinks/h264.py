"""H.264: in mp4, as every browser plays it, in mov for editing programs, and in Matroska."""

from __future__ import annotations

from motes.video.sinks.base import Kind
from motes.video.sinks.compressed import Coding

X264 = {"crf": "18", "preset": "medium", "x264-params": "mbtree=0"}
"""A lower crf is better and larger; 18 is close to lossless to the eye.

Macroblock-tree rate control depends on how threads are scheduled: with it, four of 16 runs gave
other bytes; without it the files are as small and as good, and always the same.
"""

FASTSTART = {"movflags": "+faststart"}
"""The index in front, so that a browser starts before all has come."""

MP4 = Kind(
    ".mp4", "H.264 video that plays in a browser", Coding("mp4", "libx264", X264, FASTSTART).open
)
MOV = Kind(
    ".mov", "H.264 video for editing programs", Coding("mov", "libx264", X264, FASTSTART).open
)
MKV = Kind(
    ".mkv", "H.264 video with the sound of any file", Coding("matroska", "libx264", X264).open
)
