"""One look for all pixels: uint8 RGB ``[H, W, 3]``, whatever a source holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from motes.errors import InputError


def as_rgb(frame: Any, what: str = "frame") -> np.ndarray:
    """Turn one picture in memory into a frame.

    Args:
        frame: An array ``[H, W]`` or ``[H, W, C]``, or a tensor ``[C, H, W]``, with 1 (grey),
            3 (RGB) or 4 (RGB and alpha) channels; uint8, or float in [0, 1].
        what: Its name in error messages.

    Returns:
        uint8 RGB ``[H, W, 3]``; transparent parts are composited on black.

    Raises:
        InputError: Shape, type or values do not fit.
    """
    picture = _tensor_to_array(frame, what) if is_tensor(frame) else np.asarray(frame)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3, 4) or 0 in picture.shape:
        got = list(np.shape(frame))
        raise InputError(f"{what}: expected shape [H, W, 3] (or 1 or 4 channels), got {got}")
    picture = _as_uint8(picture, what)
    if picture.shape[2] == 4:
        return on_black(picture)
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def on_black(rgba: np.ndarray) -> np.ndarray:
    """Composite uint8 ``[H, W, 4]`` with straight alpha on black: uint8 ``[H, W, 3]``."""
    alpha = rgba[:, :, 3:].astype(np.uint16)
    return ((rgba[:, :, :3] * alpha + 127) // 255).astype(np.uint8)


def is_tensor(value: Any) -> bool:
    """Whether this is a torch tensor; torch is not imported to find out."""
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach")


def _tensor_to_array(frame: Any, what: str) -> np.ndarray:
    """``[C, H, W]`` on any device, of any float type, to an array ``[H, W, C]``."""
    if frame.ndim != 3:
        raise InputError(f"{what}: expected a tensor [3, H, W], got {list(frame.shape)}")
    frame = frame.detach().cpu()
    return (frame.float() if frame.is_floating_point() else frame).permute(1, 2, 0).numpy()


def _as_uint8(picture: np.ndarray, what: str) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    if not np.issubdtype(picture.dtype, np.floating):
        raise InputError(f"{what}: expected uint8, or float in [0, 1], got {picture.dtype}")
    low, high = picture.min(), picture.max()
    if not 0 <= low <= high <= 1:  # also false for NaN
        raise InputError(f"{what}: expected float values in [0, 1], got {low:g} to {high:g}")
    return (picture * 255 + 0.5).astype(np.uint8)
