"""Masks: which part of a frame matters."""

from os import PathLike
from pathlib import Path

import cv2
import numpy as np

from motes.errors import FileError, InputError


def read_mask(mask: str | PathLike[str] | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Read a mask of a video.

    Args:
        mask: An image file, or an array ``[H, W]``; what is not zero is inside.  An image with an
            alpha channel counts by its alpha, a colour image where any channel is not zero.
        size: Width and height that the mask must have.

    Returns:
        bool ``[H, W]``.

    Raises:
        FileError: The file cannot be read as an image.
        InputError: The mask has another size than the video, or is empty.
    """
    values: np.ndarray = mask if isinstance(mask, np.ndarray) else _read_image(mask)
    if values.ndim == 3:
        values = values[..., 3] if values.shape[2] == 4 else values.max(2)
    W, H = size
    if values.shape != (H, W):
        got = "x".join(str(n) for n in values.shape[::-1])
        raise InputError(f"mask: expected the size of the video, {W}x{H}, got {got}")
    if not values.any():
        raise InputError("mask: expected some pixels to be set, got an empty mask")
    return values.astype(bool)


def _read_image(path: str | PathLike[str]) -> np.ndarray:
    if not Path(path).is_file():
        raise FileError(f"no such mask: {path}")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileError(f"cannot read {path} as an image")
    return image
