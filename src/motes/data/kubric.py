"""MOVi-f (Kubric) prepared for point tracking, in the folder layout of CoTracker's release.

``SEQ/frames/*.png`` (or ``.jpg``) with ``SEQ/SEQ.npy``, which holds a dict of `coords`
``[N, T, 2]`` and `visibility` ``[N, T]``.  Two things that the files do not say are taken so:

- `coords` are pixels with whole numbers at pixel centres, as both papers train on them.
- `visibility` may mark what is seen or, as in the release, what is **occluded**.  A point outside
  the image cannot be seen, so what the array says about such points tells; with none outside, it is
  taken to mark occlusion.
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
    """One entry for each sequence of a folder, or for the sequence given."""
    folders = [path, *sorted(path.iterdir())] if path.is_dir() else []
    for folder in folders:
        if (folder / "frames").is_dir():
            yield Entry(folder.name, partial(load_clip, folder))


def load_clip(folder: Path) -> Clip:
    """The clip in a sequence's folder.

    Raises:
        FileError: A part is missing, damaged, or does not fit.
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
    """What `visibility` means, see above.

    Args:
        xy: ``[N, T, 2]``, pixels.
        flags: bool ``[N, T]``, the array `visibility`.
        size: ``(W, H)`` of the video.

    Returns:
        bool ``[N, T]``: where points are seen; never outside the image.
    """
    in_image = inside(xy, size)
    outside = flags[~in_image]
    marks_seen = outside.size > 0 and not outside.mean() > 0.5
    return in_image & (flags if marks_seen else ~flags)


KUBRIC = Dataset("kubric", "folders SEQ with frames/ and SEQ.npy", find)
