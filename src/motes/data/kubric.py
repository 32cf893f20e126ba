"""MOVi-f (Kubric) prepared for point tracking, in the folder layout of CoTracker's release.

``SEQ/frames/*.png`` (or ``.jpg``) with ``SEQ/SEQ.npy``, which holds a dict of `coords`
``[N, T, 2]`` and `visibility` ``[N, T]``.  Two properties that the files do not state are assumed:

- `coords` are pixels with whole numbers at pixel centres, as in the training of both papers.
- `visibility` may mark visible points or, as in the release, **occluded** ones.  Points outside of
  the image are never visible, so their values show which; without such points, `visibility` is
  assumed to mark occlusion.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from motes.common.values import flag_array
from motes.coordinates import inside
from motes.data.dataset import Clip, Dataset, Entry, check_shapes, make_clip
from motes.data.unpickle import read_npy
from motes.errors import FileError
from motes.video import open_video


def find(path: Path) -> Iterator[Entry]:
    """One entry for each sequence of a folder, or for the given sequence."""
    folders = [path, *sorted(path.iterdir())] if path.is_dir() else []
    for folder in folders:
        if (folder / "frames").is_dir():
            yield Entry(folder.name, partial(load_clip, folder))


def load_clip(folder: Path) -> Clip:
    """The clip in a sequence's folder.

    Raises:
        FileError: A part is missing, damaged, or of the wrong shape.
    """
    content = read_npy(folder / f"{folder.name}.npy")
    if not isinstance(content, dict) or not {"coords", "visibility"} <= content.keys():
        raise FileError(f"{folder}: expected a dict with coords and visibility")
    xy, flags = content["coords"], content["visibility"]
    if not isinstance(xy, np.ndarray) or not isinstance(flags, np.ndarray):
        raise FileError(f"{folder}: expected arrays coords and visibility")
    check_shapes(str(folder), xy, flags)
    flags = flag_array("visibility", flags)
    video = open_video(folder / "frames")
    return make_clip(folder.name, video, xy, visible_points(xy, flags, video.size))


def visible_points(xy: np.ndarray, flags: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which points are visible; see above for the meaning of `visibility`.

    Args:
        xy: ``[N, T, 2]``, pixels.
        flags: bool ``[N, T]``, the array `visibility`.
        size: ``(W, H)`` of the video.

    Returns:
        bool ``[N, T]``; false outside of the image.
    """
    in_image = inside(xy, size)
    outside = flags[~in_image]
    marks_visible = outside.size > 0 and not outside.mean() > 0.5
    return in_image & (flags if marks_visible else ~flags)


KUBRIC = Dataset("kubric", "folders SEQ with frames/ and SEQ.npy", find)
