"""Frames in memory: arrays, tensors, and whatever else has a length and gives its i-th frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from motes.errors import InputError
from motes.video.pixels import Levels, as_rgb, is_deep, is_tensor, source_array, spread
from motes.video.sources.base import Source, size_of


def open_array(source: Any) -> Source | None:
    """Frames ``[T, H, W, 3]``, ``[T, H, W]``, a tensor ``[T, 3, H, W]`` or a list of frames."""
    indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    return ArraySource(source) if indexed and not isinstance(source, (str, bytes, dict)) else None


class ArraySource(Source):
    """Frames that are converted one by one, when they are read."""

    def __init__(self, pictures: Sequence[Any]) -> None:
        self.name = "tensor" if is_tensor(pictures) else "array"
        _check_shape(pictures, self.name)
        self._pictures = pictures
        self._levels = _levels(pictures, self.name)
        self.size = size_of(self._frame(0))

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return len(self._pictures)

    def frames(self, start: int) -> Iterator[np.ndarray]:
        """See `Source.frames`."""
        for number in range(start, self.num_frames):
            yield self.checked(self._frame(number), number)

    def _frame(self, number: int) -> np.ndarray:
        return as_rgb(self._pictures[number], f"{self.name}: frame {number}", self._levels)


def _levels(pictures: Sequence[Any], name: str) -> Levels | None:
    """One range for all frames, where they are deeper than 8 bits."""
    if not is_deep(source_array(pictures[0], name).dtype):
        return None
    return Levels.of_sequence(
        (source_array(pictures[i], name) for i in spread(len(pictures))), name
    )


def _check_shape(pictures: Any, name: str) -> None:
    """Speak of the whole, where its shape as a whole does not fit; `as_rgb` checks each frame."""
    shape = list(getattr(pictures, "shape", [len(pictures)]))
    dims, layout = ([4], "[T, 3, H, W]") if name == "tensor" else ([3, 4], "[T, H, W, 3]")
    if hasattr(pictures, "shape") and len(shape) not in dims:
        raise InputError(f"{name}: expected shape {layout}, got {shape}")
    if shape[0] == 0:
        raise InputError(f"{name}: expected at least one frame, got none (shape {shape})")
