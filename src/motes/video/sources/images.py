"""Images as frames: a folder, a glob, a numbered sequence, a list, a stack of pages, a file."""

from __future__ import annotations

import glob
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from motes.common.images import decode_image
from motes.errors import FileError, InputError, MissingExtraError
from motes.tracks import DEFAULT_FPS
from motes.video.pixels import Levels, as_rgb, spread
from motes.video.sources.base import Source, size_of
from motes.video.sources.decode import open_container, packets, shown, to_rgb, video_stream
from motes.video.sources.names import NUMBERED, Place, natural, numbered_files
from motes.video.sources.timing import Timing

PHOTOGRAPHS = (".jpeg", ".jpg")
STACKS = (".tif", ".tiff")
FILM = (".dpx", ".exr")
"""What FFmpeg decodes: film scans, and linear light, which is shown with the curve of sRGB."""

HEIF = (".heic", ".heif")
SUFFIXES = (".bmp", ".pgm", ".png", ".ppm", ".webp", *PHOTOGRAPHS, *STACKS, *FILM, *HEIF)

ANIMATED_PNG = b"acTL"
ANIMATED_WEBP = b"ANIM"

SHORTEST = 10
"""Milliseconds that a picture of an animation is shown at least."""

LITTLE_ENDIAN = b"II*\0"
PLANAR = (284, 2)
"""The tag of a TIFF and its value that say so."""

PAGES = 8
"""Pages of a stack that are read at a time: to find one, OpenCV walks through those before."""


@dataclass(frozen=True)
class Page:
    """One image of a file; most files have one."""

    path: Path
    number: int = 0


def open_images(source: Any) -> Source | None:
    """A folder, a glob such as ``shot/*.png``, ``shot.%04d.png``, a list of paths, or one image."""
    if _is_list_of_paths(source):
        return ImageSource([Page(Path(path).expanduser()) for path in source], "list")
    place = Place.of(source)
    if place is None or place.path is None:
        return None
    path, name = place.path, str(source)
    if path.is_dir():
        return ImageSource(_images(path.iterdir(), name), name)
    if not path.exists() and NUMBERED.search(path.name):
        return ImageSource(_images(numbered_files(path), name), name)
    if not path.exists() and glob.has_magic(str(path)):
        pattern = str(path.relative_to(path.anchor))
        return ImageSource(_images(Path(path.anchor or ".").glob(pattern), name), name)
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return _open_file(path)
    return None


def _is_list_of_paths(source: Any) -> bool:
    return (
        isinstance(source, (list, tuple))
        and len(source) > 0
        and all(isinstance(item, (str, os.PathLike)) for item in source)
    )


def _open_file(path: Path) -> Source | None:
    """One image, a stack, or an animated WebP; an animated PNG is a video file."""
    suffix = path.suffix.lower()
    head = path.open("rb").read(4096)
    if suffix == ".png" and ANIMATED_PNG in head:
        return None
    if suffix == ".webp" and ANIMATED_WEBP in head:
        return AnimationSource(path)
    count = 1
    if suffix in STACKS:
        with quiet_opencv():
            count = cv2.imcount(str(path)) or 1
    return ImageSource([Page(path, number) for number in range(count)], path.name)


class ImageSource(Source):
    """Image files or pages, each read when its frame is needed."""

    def __init__(self, pages: Sequence[Page], name: str) -> None:
        self.name = name
        self.files = [page.path for page in pages]
        self._pages = pages
        first = next(_read(pages[:1]))
        self._levels = None
        if first.dtype != np.uint8:
            samples = (next(_read([pages[i]])) for i in spread(len(pages)))
            self._levels = Levels.of_sequence(samples, name)
        self.size = size_of(self._frame(first))

    @property
    def num_frames(self) -> int:
        """Number of images."""
        return len(self._pages)

    def frames(self, start: int) -> Iterator[np.ndarray]:
        """See `Source.frames`."""
        for number, picture in enumerate(_read(self._pages[start:]), start):
            frame = self._frame(picture)
            if size_of(frame) != self.size:
                path, (W, H), (w, h) = self.files[number], self.size, size_of(frame)
                raise InputError(f"{path}: frame {number}: expected {W}x{H}, got {w}x{h}")
            yield frame

    def _frame(self, picture: np.ndarray) -> np.ndarray:
        picture = picture if picture.ndim == 3 else picture[:, :, None]
        scaled = picture if self._levels is None else self._levels.to_uint8(picture)
        return as_rgb(scaled, self.name)


class AnimationSource(Source):
    """An animated WebP; as OpenCV decodes all of it at once, its frames are held."""

    def __init__(self, path: Path) -> None:
        self.name, self.files = path.name, (path,)
        with quiet_opencv():
            found, animation = cv2.imdecodeanimation(_data(path))
        if not found or not animation.frames:
            raise FileError(f"{path}: expected an animation, got something else")
        self._pictures = [_bgr_to_rgb(np.asarray(frame)) for frame in animation.frames]
        self.size = size_of(self._pictures[0])
        durations = np.maximum(animation.durations, SHORTEST)
        ticks = np.concatenate([[0], np.cumsum(durations)[:-1]]).tolist()
        timing = Timing.of(ticks, Fraction(1, 1000)) if len(ticks) > 1 else Timing(DEFAULT_FPS)
        self.fps, self.times = timing.fps, timing.times

    @property
    def num_frames(self) -> int:
        """Number of pictures."""
        return len(self._pictures)

    def frames(self, start: int) -> Iterator[np.ndarray]:
        """See `Source.frames`."""
        return (as_rgb(picture, self.name) for picture in self._pictures[start:])


def _read(pages: Sequence[Page]) -> Iterator[np.ndarray]:
    """Images as they are stored: ``[H, W]``, or RGB or RGBA ``[H, W, C]``, of any type of number.

    Raises:
        FileError: A file is missing, or no image.
        MissingExtraError: What its format needs is not installed.
    """
    rest = list(pages)
    while rest:
        path, first = rest[0].path, rest[0].number
        run = [page for page in rest[:PAGES] if page.path == path]
        if path.is_file() and _is_planar(path):
            run = run[:1]
            yield _read_planar(path, first)
        elif len(run) > 1:
            yield from _read_stack(path, first, first + len(run))
        elif first:
            yield from _read_stack(path, first, first + 1)
        else:
            yield read_image(path)
        rest = rest[len(run) :]


def read_image(path: Path) -> np.ndarray:
    """Read one image as it is stored, upright; see `_read`."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise FileError(f"{path}: expected an image, found no such file")
    if suffix in HEIF:
        return _read_heif(path)
    if suffix in FILM:
        return _read_film(path)
    # Only without IMREAD_UNCHANGED does OpenCV turn a photograph upright, and JPEG has no alpha.
    flags = cv2.IMREAD_COLOR if suffix in PHOTOGRAPHS else cv2.IMREAD_UNCHANGED
    with quiet_opencv():
        image = decode_image(_data(path), flags, str(path))
    return _bgr_to_rgb(image)


def _is_planar(path: Path) -> bool:
    """Whether the first page of a TIFF stores its channels one after the other.

    OpenCV takes deep ones for interleaved, and fills two of three channels from memory at random.
    """
    if path.suffix.lower() not in STACKS:
        return False
    with path.open("rb") as file, suppress(struct.error):  # damaged, or a BigTIFF
        order = "<" if file.read(4) == LITTLE_ENDIAN else ">"
        file.seek(*struct.unpack(f"{order}I", file.read(4)))
        (count,) = struct.unpack(f"{order}H", file.read(2))
        tags = struct.iter_unpack(f"{order}HHIHH", file.read(12 * count))
        return any((tag, value) == PLANAR for tag, _, _, value, _ in tags)
    return False


def _read_planar(path: Path, number: int) -> np.ndarray:
    try:
        import tifffile
    except ImportError:
        raise MissingExtraError(f"{path.name}: a TIFF with separate channels", "tiff") from None
    try:
        image = tifffile.imread(path, key=number)
    except Exception as error:  # tifffile raises anything on damaged files
        raise FileError(f"{path}: expected an image; {error}") from None
    return np.ascontiguousarray(np.moveaxis(image, 0, -1)) if image.ndim == 3 else image


def _read_stack(path: Path, start: int, stop: int) -> Sequence[np.ndarray]:
    with quiet_opencv():
        found, images = cv2.imdecodemulti(_data(path), cv2.IMREAD_UNCHANGED, range=(start, stop))
    if not found or len(images) < stop - start:
        raise FileError(f"{path}: expected pages {start}..{stop - 1}, which cannot be read")
    return [_bgr_to_rgb(np.asarray(image)) for image in images]


def _read_film(path: Path) -> np.ndarray:
    with open_container(f"file:{path}", str(path)) as container:
        stream = video_stream(container, str(path))
        if stream.codec_context.name == "exr":
            stream.codec_context.options = {"apply_trc": "iec61966_2_1"}
        frame = next(shown(stream, packets(container, stream), threads=False), None)
    if frame is None:
        raise FileError(f"{path}: expected an image, got something else")
    return to_rgb(frame.frame)


def _read_heif(path: Path) -> np.ndarray:
    try:
        from pillow_heif import open_heif
    except ImportError:
        raise MissingExtraError(f"{path.name}: the format {path.suffix}", "heic") from None
    try:
        return np.asarray(open_heif(path, convert_hdr_to_8bit=True))
    except (ValueError, OSError, RuntimeError, SyntaxError) as error:
        raise FileError(f"{path}: expected an image; {error}") from None


def _data(path: Path) -> np.ndarray:
    """The bytes of a file: OpenCV cannot open every name on Windows."""
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise FileError(f"{path}: expected an image, got: {error.strerror}") from error


def _bgr_to_rgb(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2 or image.shape[2] == 1:
        return image
    return np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: image.shape[2]]])


def _images(paths: Iterable[Path], name: str) -> list[Page]:
    found = list(paths)
    images = [p for p in found if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    if not images:
        known = ", ".join(SUFFIXES)
        raise FileError(f"{name}: expected images ({known}), found {len(found)} other files")
    return [Page(path) for path in sorted(images, key=natural)]


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Without what OpenCV prints, such as warnings about unknown tags of a TIFF."""
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)
