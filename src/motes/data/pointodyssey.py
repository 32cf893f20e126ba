"""PointOdyssey (Zheng et al. 2023): long synthetic videos with dense tracks.

``SEQ/rgbs/*.jpg`` with ``SEQ/anno.npz``, which holds `trajs_2d` ``[T, N, 2]`` in pixels, `visibs`
bool ``[T, N]`` and `valids` bool ``[T, N]`` (where a trajectory exists).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from motes.common.values import flag_array
from motes.coordinates import inside
from motes.data.dataset import Clip, Dataset, Entry, check_shapes, make_clip, read_arrays
from motes.errors import FileError
from motes.video import open_video

FOLDERS = ("anno.npz", "*/anno.npz", "*/*/anno.npz")
"""A sequence, a split such as ``train``, or the root of the data set."""


def find(path: Path) -> Iterator[Entry]:
    """One entry for each sequence."""
    for file in sorted(file for pattern in FOLDERS for file in path.glob(pattern)):
        yield Entry(file.parent.name, partial(load_clip, file.parent))


def load_clip(folder: Path) -> Clip:
    """The clip in a sequence's folder.

    Raises:
        FileError: A part is missing, damaged, or of the wrong shape.
    """
    arrays = read_arrays(folder / "anno.npz", ("trajs_2d", "visibs", "valids"))
    by_frame = [arrays[name] for name in ("trajs_2d", "visibs", "valids")]
    if any(array.ndim < 2 for array in by_frame):
        raise FileError(f"{folder}: expected arrays [T, N, ...]")
    xy, seen, valid = (array.swapaxes(0, 1) for array in by_frame)
    check_shapes(str(folder), xy, seen, valid)
    video = open_video(folder / "rgbs")
    with np.errstate(invalid="ignore"):
        visible = flag_array("visibs", seen) & inside(xy, video.size)
    return make_clip(folder.name, video, xy, visible, valid)


POINTODYSSEY = Dataset("pointodyssey", "folders SEQ with rgbs/ and anno.npz", find)
