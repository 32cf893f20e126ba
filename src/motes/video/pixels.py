"""One form for all pixels: uint8 RGB ``[H, W, 3]``, whatever a source holds."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from motes.errors import InputError

log = logging.getLogger(__name__)

DEPTHS = (8, 10, 12, 14, 16, 32)
"""Bits a channel that cameras and formats use."""

SAMPLES = 64
"""Frames of a sequence, evenly spread, from which the range of its values is taken."""


@dataclass(frozen=True)
class Levels:
    """Which values of deep pixels become black and white, the same in all frames of a sequence.

    Attributes:
        black: The value that becomes 0; lower ones too.
        white: The value that becomes 255; higher ones too.
    """

    black: float
    white: float

    @classmethod
    def full(cls, dtype: np.dtype) -> Levels:
        """The whole range of a type of whole numbers; [0, 1] for others."""
        if not np.issubdtype(dtype, np.integer):
            return cls(0, 1)
        return cls(0, float(np.iinfo(dtype).max))

    @classmethod
    def of_depth(cls, picture: np.ndarray) -> Levels:
        """From 0 to the largest number of the smallest usual depth that holds all values."""
        largest = float(picture.max())
        return cls(0, next((2.0**bits - 1 for bits in DEPTHS if largest < 2**bits), largest))

    @classmethod
    def of_sequence(cls, pictures: Iterable[np.ndarray], name: str) -> Levels:
        """The range of the values of a sequence; float values in [0, 1] keep theirs.

        Alpha does not count.  What was chosen is logged.
        """
        low, high, kind = np.inf, -np.inf, np.dtype(float)
        for picture in pictures:
            values = picture[..., :3] if picture.ndim == 3 else picture
            low, high = min(low, np.nanmin(values)), max(high, np.nanmax(values))
            kind = picture.dtype
        if low == high or (np.issubdtype(kind, np.floating) and 0 <= low <= high <= 1):
            return cls.full(kind)
        log.warning("%s: %s values from %g to %g are scaled to 8 bits", name, kind, low, high)
        return cls(float(low), float(high))

    def to_uint8(self, picture: np.ndarray) -> np.ndarray:
        """Scale ``[H, W, C]``; alpha has the whole range of its type."""
        scale = 255 / (self.white - self.black)
        scaled = (np.nan_to_num(picture.astype(np.float32)) - self.black) * scale
        if picture.shape[2] in (2, 4):
            scaled[..., -1] = picture[..., -1] * (255 / Levels.full(picture.dtype).white)
        return (scaled.clip(0, 255) + 0.5).astype(np.uint8)


def spread(count: int) -> list[int]:
    """Up to `SAMPLES` of ``0 .. count - 1``, evenly spread, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLES)).round().astype(int)).tolist()


def is_deep(dtype: np.dtype) -> bool:
    """Whether values of this type are whole numbers with more than 8 bits."""
    return bool(np.issubdtype(dtype, np.integer)) and dtype != np.uint8


def as_rgb(frame: Any, what: str = "frame", levels: Levels | None = None) -> np.ndarray:
    """Turn one picture in memory into a frame.

    Args:
        frame: An array ``[H, W]`` or ``[H, W, C]``, a tensor ``[C, H, W]``, a PIL image or a frame
            of PyAV, with 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha) channels;
            uint8, bool, float in [0, 1], or deeper whole numbers.
        what: Its name in error messages.
        levels: How deeper whole numbers are scaled; by default by the range of their type.

    Returns:
        uint8 RGB ``[H, W, 3]``; transparent parts are composited on black.

    Raises:
        InputError: Shape, type or values do not fit.
    """
    picture = source_array(frame, what)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 2, 3, 4) or 0 in picture.shape:
        got = list(np.shape(picture))
        raise InputError(f"{what}: expected shape [H, W, 3] (or 1, 2 or 4 channels), got {got}")
    picture = _as_uint8(picture, what, levels)
    if picture.shape[2] in (2, 4):
        return on_black(picture)
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def source_array(frame: Any, what: str = "frame") -> np.ndarray:
    """A picture of any library as an array ``[H, W]`` or ``[H, W, C]`` of its own type."""
    if is_tensor(frame):
        return _tensor_to_array(frame, what)
    if _comes_from(frame, "av"):
        from motes.video.sources.decode import to_rgb

        return to_rgb(frame)
    if _comes_from(frame, "PIL") and frame.mode not in ("1", "L", "LA", "RGB", "RGBA"):
        deep = frame.mode.startswith(("I", "F"))
        return np.asarray(frame if deep else frame.convert("RGBA"))
    try:
        return np.asarray(frame)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{what}: expected an array [H, W, 3]; {error}") from None


def on_black(picture: np.ndarray) -> np.ndarray:
    """Composite uint8 ``[H, W, 2 or 4]`` with straight alpha on black: uint8 ``[H, W, 3]``."""
    H, W, channels = picture.shape
    alpha = picture[:, :, -1:].astype(np.uint16)
    seen = ((picture[:, :, : channels - 1] * alpha + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(seen, (H, W, 3)))


def is_tensor(value: Any) -> bool:
    """Whether this is a torch tensor; torch is not imported to find out."""
    return _comes_from(value, "torch") and hasattr(value, "detach")


def _comes_from(value: Any, package: str) -> bool:
    """Whether a package made the type of a value; it is not imported to find out."""
    return any(kind.__module__.split(".")[0] == package for kind in type(value).__mro__)


def _tensor_to_array(frame: Any, what: str) -> np.ndarray:
    """``[C, H, W]`` on any device, of any float type, to an array ``[H, W, C]``."""
    if frame.ndim != 3:
        raise InputError(f"{what}: expected a tensor [3, H, W], got {list(frame.shape)}")
    frame = frame.detach().cpu()
    return (frame.float() if frame.is_floating_point() else frame).permute(1, 2, 0).numpy()


def _as_uint8(picture: np.ndarray, what: str, levels: Levels | None) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype == bool:
        return picture.astype(np.uint8) * np.uint8(255)
    if is_deep(picture.dtype):
        return (levels or Levels.full(picture.dtype)).to_uint8(picture)
    if not np.issubdtype(picture.dtype, np.floating):
        expected = "uint8, bool, deeper whole numbers, or float in [0, 1]"
        raise InputError(f"{what}: expected {expected}, got {picture.dtype}")
    low, high = picture.min(), picture.max()
    if not 0 <= low <= high <= 1:  # also false for NaN
        raise InputError(f"{what}: expected float values in [0, 1], got {low:g} to {high:g}")
    return (picture * 255 + 0.5).astype(np.uint8)
