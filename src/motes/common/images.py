"""Decode untrusted images; those that are damaged or too large for the memory are an error."""

from __future__ import annotations

import struct

import numpy as np

from motes.common.headroom import check_memory
from motes.errors import FileError, InputError

PIXEL_BYTES = 8
"""Largest memory per pixel while an image is decoded: four channels of 16 bits."""

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
NO_FRAME = {0xC4, 0xC8, 0xCC}
"""Markers of JPEG between 0xC0 and 0xCF that do not start a frame header."""


def decode_image(data: bytes | np.ndarray, flags: int, what: str) -> np.ndarray:
    """Decode an encoded image.

    Args:
        data: The content of the file, as bytes or uint8.
        flags: Of `cv2.imdecode`.
        what: Name of the image in messages.

    Returns:
        ``[H, W]`` or ``[H, W, C]``, BGR or BGRA, depending on `flags`.

    Raises:
        FileError: It is not an image, is damaged, or does not fit into memory.
    """
    import cv2

    buffer = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    W, H = image_size(buffer[:HEADER_BYTES].tobytes()) or (0, 0)
    try:
        check_memory(W * H * PIXEL_BYTES, f"decoding this image of {W}x{H}")
        image = cv2.imdecode(buffer, flags) if buffer.size else None
    except InputError as error:
        raise FileError(f"{what}: {error}") from None
    except cv2.error as error:
        raise FileError(f"{what}: expected an image; {error.err or error}") from None
    if image is None:
        raise FileError(f"{what}: expected an image, got something else or a damaged one")
    return image


HEADER_BYTES = 2**20
"""Bytes at the start of a file that are searched for the image size."""


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG image, from its header; None for other formats.

    In other formats images are not much larger than their files, or OpenCV limits them.
    """
    if data.startswith(PNG) and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data.startswith(JPEG):
        return _jpeg_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Read segments up to the frame header."""
    at = len(JPEG)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        length, height, width = struct.unpack(">HxHH", data[at + 2 : at + 9])
        if 0xC0 <= marker <= 0xCF and marker not in NO_FRAME:
            return width, height
        at += 1 if marker == 0xFF else 2 + length
    return None
