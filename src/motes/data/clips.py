"""Our clip format: ``NAME.mp4``, or a folder of images ``NAME``, with ``NAME.npz``.

The ``.npz`` holds `points` float32 ``[N, T, 2]`` (TAP-Vid raster coordinates: x/W and y/H, 0 is the
left and top edge), `occluded` bool ``[N, T]`` and, if some of it is unknown, `annotated` bool
``[N, T]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from motes.common.values import flag_array
from motes.data.dataset import Clip, Dataset, Entry, make_clip, raster_positions, read_arrays
from motes.errors import FileError
from motes.video import open_video

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", "")


def find(path: Path) -> Iterator[Entry]:
    """One entry for each ``.npz`` file of a folder, or for the given file."""
    files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    for file in files:
        yield Entry(file.stem, partial(load_clip, file))


def load_clip(file: Path) -> Clip:
    """The clip whose tracks are in this ``.npz`` file.

    Raises:
        FileError: It cannot be read, or there is no video beside it.
    """
    arrays = read_arrays(file, ("points", "occluded"))
    video = open_video(_video_of(file))
    xy = raster_positions(arrays["points"], video.size)
    visible = ~flag_array("occluded", arrays["occluded"])
    return make_clip(file.stem, video, xy, visible, arrays.get("annotated"))


def _video_of(file: Path) -> Path:
    for suffix in VIDEO_SUFFIXES:
        candidate = file.with_suffix(suffix)
        if candidate.exists():
            return candidate
    raise FileError(f"{file}: expected {file.stem}.mp4 or a folder {file.stem} beside it")


CLIPS = Dataset("clips", "pairs of NAME.mp4 (or a folder NAME of images) and NAME.npz", find)
