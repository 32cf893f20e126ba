"""What can be attached to a video: a picture, a clip, or a line of text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from motes.common.images import decode_image
from motes.errors import FileError, InputError
from motes.rendering.text import BOLD, draw_text, text_width

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
TEXT_HEIGHT = 120
"""Height of a line of text in pixels, before it is fitted to its position."""


@dataclass(frozen=True)
class Content:
    """Something to attach.

    Attributes:
        size: Width and height in pixels.
        frame: From the time in seconds to the picture at that time, uint8 RGBA ``[h, w, 4]``.
        files: The files that are read.
    """

    size: tuple[int, int]
    frame: Callable[[float], np.ndarray]
    files: tuple[Path, ...] = ()


def still(rgba: np.ndarray, files: tuple[Path, ...] = ()) -> Content:
    """One picture, uint8 ``[h, w, 3 or 4]``, RGB or RGBA.

    Raises:
        InputError: It is of another shape or type.
    """
    if rgba.ndim != 3 or rgba.shape[2] not in (3, 4) or rgba.dtype != np.uint8 or not rgba.size:
        got = f"{rgba.dtype} {list(rgba.shape)}"
        raise InputError(f"content: expected uint8 [h, w, 3] or [h, w, 4], got {got}")
    if rgba.shape[2] == 3:
        rgba = np.dstack([rgba, np.full(rgba.shape[:2], 255, np.uint8)])
    return Content((rgba.shape[1], rgba.shape[0]), lambda time: rgba, files)


def text(line: str, color: str = "#ffffff") -> Content:
    """A line of text on a transparent background.

    Args:
        line: The text.
        color: ``"#rrggbb"``.

    Raises:
        InputError: The text is empty, or the colour is not as it should be.

    Example:
        >>> from motes.edit import text
        >>> text("motes", color="#ff8800").frame(0).shape[2]
        4
    """
    if not line.strip():
        raise InputError("text: expected at least one letter, got none")
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
        raise InputError(f"color: expected #rrggbb (six hexadecimal digits), got {color!r}")
    rgb = tuple(bytes.fromhex(color[1:]))
    pad, height = TEXT_HEIGHT // 8, round(0.75 * TEXT_HEIGHT)
    alpha = np.zeros((TEXT_HEIGHT, text_width(line, height, BOLD) + 2 * pad, 3), np.uint8)
    draw_text(alpha, line, (pad, round(0.78 * TEXT_HEIGHT)), height, (255, 255, 255), BOLD)
    picture = np.empty((*alpha.shape[:2], 4), np.uint8)
    picture[..., :3], picture[..., 3] = rgb, alpha[..., 0]
    return still(picture)


def open_content(source: Any) -> Content:
    """Open a picture (alpha is kept) or a clip (it is repeated, at its own rate).

    Args:
        source: A `Content`, an array as `still` takes it, the path of an image, or anything that
            `motes.open_video` takes.

    Raises:
        FileError: It cannot be read.
        InputError: It is no picture and no video.
    """
    if isinstance(source, Content):
        return source
    if isinstance(source, np.ndarray) and source.ndim == 3:
        return still(source)
    if isinstance(source, (str, PathLike)) and Path(source).suffix.lower() in PICTURES:
        return still(read_rgba(Path(source).expanduser()), (Path(source),))
    return _clip(source)


def read_rgba(path: Path) -> np.ndarray:
    """Read an image: uint8 RGBA ``[h, w, 4]``, or RGB ``[h, w, 3]`` where it has no alpha."""
    if not path.is_file():
        raise FileError(f"no such image: {path}")
    image = decode_image(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED, str(path))
    if image.dtype != np.uint8:
        raise FileError(f"{path}: expected an image of 8 bits a channel, got something else")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    code = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(image, code)


def _clip(source: Any) -> Content:
    from motes.video import open_video

    video = open_video(source)
    count = video.num_frames or sum(1 for _ in video)

    def frame(time: float) -> np.ndarray:
        number = video.start + int(time * float(video.fps) + 1e-6) % count
        picture = video.read(number, number + 1)[0]
        return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])

    return Content(video.size, frame, tuple(video.files))
