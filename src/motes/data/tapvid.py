"""TAP-Vid pickles: DAVIS, RGB-Stacking, Kinetics (Doersch et al. 2022) and RoboTAP (2023).

A file holds a dict of clips by name (DAVIS, RoboTAP) or a list of clips (RGB-Stacking, shards of
Kinetics).  A clip is a dict of `video` uint8 ``[T, H, W, 3]``, or T encoded images; `points`
``[N, T, 2]`` in raster coordinates (x/W and y/H); and `occluded` bool ``[N, T]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from motes.common.headroom import check_memory
from motes.common.images import decode_image
from motes.common.values import flag_array
from motes.data.dataset import Clip, Dataset, Entry, make_clip, raster_positions
from motes.data.unpickle import read_pickle
from motes.errors import FileError
from motes.video import open_video


def find(path: Path) -> Iterator[Entry]:
    """The clips of a pickle, or of all pickles of a folder.

    One file at a time is held in memory: shards of Kinetics take gigabytes each.
    """
    shards = _Shards()
    for file in sorted(path.glob("*.pkl")) if path.is_dir() else [path]:
        try:
            names = list(shards.read(file))
        except FileError:
            yield Entry(file.name, partial(shards.clip, file, file.name))  # raises the error again
            continue
        for name in names:
            yield Entry(name, partial(shards.clip, file, name))


class _Shards:
    """Reads files of clips, and keeps the last one in memory."""

    def __init__(self) -> None:
        self._last: tuple[Path | None, dict[str, Any]] = (None, {})

    def read(self, file: Path) -> dict[str, Any]:
        """The content of a file: descriptions of clips by name."""
        if self._last[0] != file:
            self._last = (None, {})  # frees the memory before the next file is read
            self._last = (file, _by_name(file, read_pickle(file)))
        return self._last[1]

    def clip(self, file: Path, name: str) -> Clip:
        """One clip of a file."""
        return parse_clip(name, self.read(file)[name])


def _by_name(file: Path, content: Any) -> dict[str, Any]:
    if isinstance(content, list):
        return {f"{file.stem}_{i:04d}": clip for i, clip in enumerate(content)}
    if isinstance(content, dict):
        return {str(name): clip for name, clip in content.items()}
    kind = type(content).__name__
    raise FileError(f"{file}: expected a dict or a list of clips, got {kind}")


def parse_clip(name: str, content: Any) -> Clip:
    """The clip that a pickle describes.

    Raises:
        FileError: A part is missing or of the wrong type or shape; an image cannot be decoded.
    """
    if not isinstance(content, Mapping) or not {"video", "points", "occluded"} <= content.keys():
        raise FileError(f"{name}: expected a dict with video, points and occluded")
    points, occluded = content["points"], content["occluded"]
    if not isinstance(points, np.ndarray) or not isinstance(occluded, np.ndarray):
        raise FileError(f"{name}: expected arrays points and occluded")
    video = open_video(decode_frames(name, content["video"]))
    xy = raster_positions(points, video.size)
    return make_clip(name, video, xy, ~flag_array("occluded", occluded))


def decode_frames(name: str, frames: np.ndarray | Sequence[bytes]) -> np.ndarray:
    """Frames uint8 ``[T, H, W, 3]``, decoded if they are encoded images (JPEG, PNG).

    Raises:
        FileError: The frames are neither of the two, or an image is damaged.
    """
    if isinstance(frames, np.ndarray) and frames.dtype == np.uint8 and frames.ndim == 4:
        return np.asarray(frames)
    if not isinstance(frames, list | tuple | np.ndarray) or not all(
        isinstance(frame, bytes) for frame in frames
    ):
        raise FileError(f"{name}: expected uint8 frames [T, H, W, 3], or encoded images")
    if not len(frames):
        raise FileError(f"{name}: expected at least one frame, got none")
    first = _decode(f"{name}, frame 0", frames[0])
    check_memory(len(frames) * first.nbytes, f"{name}: decoding {len(frames)} frames")
    video = np.empty((len(frames), *first.shape), np.uint8)
    for t, frame in enumerate(frames):
        image = _decode(f"{name}, frame {t}", frame)
        if image.shape != first.shape:
            got = f"{list(first.shape)} and {list(image.shape)}"
            raise FileError(f"{name}, frame {t}: expected frames of one shape, got {got}")
        video[t] = image
    return video


def _decode(what: str, image: bytes) -> np.ndarray:
    import cv2

    return cv2.cvtColor(decode_image(image, cv2.IMREAD_COLOR, what), cv2.COLOR_BGR2RGB)


TAPVID = Dataset("tapvid", "TAP-Vid pickles (*.pkl)", find)
