"""`Engine`: a model and how it runs, which is what sessions and streams need to know."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from motes.coordinates import Resize
from motes.models.base import Features, PointModel, Prediction
from motes.models.preset import Preset
from motes.tracking.memory import free_bytes


@dataclass(frozen=True)
class Engine:
    """A model with its surroundings, number type and memory limit.

    Attributes:
        model: The bare module, at its own working resolution.
        preset: Name, resize rule, thresholds and support points of the model.
        dtype: Number type of features and attention; coordinates are always float32.
        memory: Bytes that tracking may take; None: a share of what is free.
    """

    model: PointModel
    preset: Preset
    dtype: torch.dtype = torch.float32
    memory: int | None = None

    @property
    def device(self) -> torch.device:
        """Device of the model (the CPU, if it has no parameters)."""
        first = next(self.model.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    @property
    def limit(self) -> int:
        """Bytes that tracking may take, if it begins now."""
        return self.memory or free_bytes(self.device)

    def encode(self, frames: Iterable[np.ndarray], resize: Resize) -> Features:
        """Features of uint8 frames ``[H, W, 3]``, resized to the model one by one."""
        return self.encode_resized(self.resized(frame, resize) for frame in frames)

    def encode_resized(self, frames: Iterable[Tensor]) -> Features:
        """Features of frames that `resized` gave."""
        scaled = torch.cat(list(frames))
        with self.autocast():
            return self.model.encode(scaled[None])

    def resized(self, frame: np.ndarray, resize: Resize) -> Tensor:
        """A frame uint8 ``[H, W, 3]`` as the model takes it, float32 ``[1, 3, H', W']``."""
        pixels = upload(frame, self.device)[None].permute(0, 3, 1, 2)
        return resize.frames(pixels.float().div_(255))

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which the model computes in `dtype`."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def visible(self, prediction: Prediction) -> Tensor:
        """Whether points count as visible, bool ``[B, T, N]``."""
        return self.preset.visible(prediction)


def upload(frame: np.ndarray, device: torch.device) -> Tensor:
    """A frame on a device, as uint8, which is a fourth of the bytes of float32.

    To a GPU it is copied from pinned memory, while this thread goes on with the next frame; PyTorch
    keeps the pinned memory until the copy is done, and uses it again.

    Args:
        frame: ``[H, W, 3]``; may be read-only.
        device: Where it is needed.

    Returns:
        uint8 ``[H, W, 3]``.

    Example:
        >>> upload(np.zeros((2, 3, 3), np.uint8), torch.device("cpu")).shape
        torch.Size([2, 3, 3])
    """
    pixels = torch.from_numpy(np.require(frame, requirements="W"))  # torch warns of read-only ones
    if device.type != "cuda":
        return pixels.to(device)
    return pixels.pin_memory().to(device, non_blocking=True)
