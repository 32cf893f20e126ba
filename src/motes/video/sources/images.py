"""Images as frames: a folder, a glob, or a single file."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from motes.errors import FileError
from motes.video.pixels import on_black
from motes.video.sources.base import Source, size_of

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def open_images(source: Any) -> Source | None:
    """A folder with images, a glob such as ``shot/*.png``, or one image; in natural order."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = Path(source).expanduser()
    if path.is_dir():
        return ImageSource(_images(path.iterdir(), str(source)), str(source))
    if not path.exists() and glob.has_magic(str(path)):
        pattern = str(path.relative_to(path.anchor))
        matches = Path(path.anchor or ".").glob(pattern)
        return ImageSource(_images(matches, str(source)), str(source))
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return ImageSource([path], path.name)
    return None


class ImageSource(Source):
    """Image files, each read when its frame is asked for."""

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        self.name = name
        self.files = paths
        self.size = size_of(read_image(paths[0]))

    @property
    def num_frames(self) -> int:
        """Number of images."""
        return len(self.files)

    def frames(self, start: int) -> Iterator[np.ndarray]:
        """See `Source.frames`."""
        for number, path in enumerate(self.files[start:], start):
            yield self.checked(read_image(path), number)


def read_image(path: Path) -> np.ndarray:
    """Read one image: uint8 RGB ``[H, W, 3]``, upright, 16 bits reduced, alpha on black.

    Raises:
        FileError: The file is missing, or no image.
    """
    # Only without IMREAD_UNCHANGED does OpenCV turn a photograph upright, and JPEG has no alpha.
    photograph = path.suffix.lower() in (".jpg", ".jpeg")
    flags = cv2.IMREAD_COLOR if photograph else cv2.IMREAD_UNCHANGED
    try:
        data = np.fromfile(path, np.uint8)  # imread cannot open every name on Windows
    except OSError as error:
        raise FileError(f"{path}: expected an image, got: {error.strerror}") from error
    image = cv2.imdecode(data, flags) if data.size else None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise FileError(f"{path}: expected an 8-bit or 16-bit image, got something else")
    return _bgr_to_rgb(cv2.convertScaleAbs(image, alpha=1 / 257) if image.itemsize == 2 else image)


def _bgr_to_rgb(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 4:
        return on_black(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _images(paths: Iterator[Path], name: str) -> list[Path]:
    found = list(paths)
    images = [p for p in found if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    if not images:
        known = ", ".join(SUFFIXES)
        raise FileError(f"{name}: expected images ({known}), found {len(found)} other files")
    return sorted(images, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which frame 2 comes before frame 10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
