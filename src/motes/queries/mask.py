"""Masks that select a part of a frame."""

from __future__ import annotations

import logging
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from motes.errors import FileError, InputError
from motes.video.pixels import is_tensor, source_array
from motes.video.sources.images import PHOTOGRAPHS, read_image

log = logging.getLogger(__name__)

Mask = Any
"""An image file, an array, ...; see `read_mask`."""


def read_mask(mask: Mask, size: tuple[int, int]) -> np.ndarray:
    """Read a mask of a video.

    Args:
        mask: An image file, an array or tensor ``[H, W]`` or ``[H, W, C]``, nested lists or a PIL
            image.  Pixels that are not zero are inside; in a JPEG file, pixels above half of the
            maximum, because compression changes values.  Of a partly transparent image the alpha
            channel is used; otherwise a pixel is inside if any of its channels is not zero.
        size: Width and height that the mask must have.

    Returns:
        bool ``[H, W]``.

    Raises:
        FileError: The file cannot be read as an image.
        InputError: The mask has another size than the video, or is empty.

    Example:
        >>> from motes.queries.mask import read_mask
        >>> read_mask([[0, 1, 1]], size=(3, 1))
        array([[False,  True,  True]])
        >>> int(read_mask("mask.png", size=(96, 72)).sum())
        900
    """
    inside = _inside(*_values(mask))
    W, H = size
    if inside.shape != (H, W):
        got = "x".join(str(n) for n in inside.shape[::-1])
        raise InputError(f"mask: expected the size of the video, {W}x{H}, got {got}")
    if not inside.any():
        raise InputError("mask: expected some pixels to be set, got an empty mask")
    if inside.all():
        log.warning("mask: it selects every pixel")
    return inside


def _values(mask: Mask) -> tuple[np.ndarray, bool]:
    """Pixels ``[H, W]`` or ``[H, W, C]``, and whether the compression is lossy."""
    if isinstance(mask, (str, PathLike)):
        path = Path(mask)
        if not path.is_file():
            raise FileError(f"no such mask: {mask}")
        return read_image(path), path.suffix.lower() in PHOTOGRAPHS
    if is_tensor(mask):
        values = mask.detach().cpu().numpy()
        return (values[0] if values.ndim == 3 and values.shape[0] == 1 else values), False
    return source_array(mask, "mask"), False


def _inside(values: np.ndarray, is_lossy: bool) -> np.ndarray:
    if values.dtype.kind not in "biuf" or values.ndim not in (2, 3):
        got = f"{values.dtype} {list(values.shape)}"
        raise InputError(f"mask: expected numbers [H, W], got {got}")
    values = np.nan_to_num(values)
    if values.ndim == 3:
        values = _one_channel(values)
    return values > values.max(initial=0) / 2 if is_lossy else values != 0


def _one_channel(values: np.ndarray) -> np.ndarray:
    """Alpha, unless it is the same everywhere; then the largest of the other channels."""
    channels = values.shape[2]
    if channels in (2, 4):
        alpha, values = values[..., -1], values[..., :-1]
        if alpha.size and alpha.min() != alpha.max():
            return alpha
    return values.max(2, initial=0)
