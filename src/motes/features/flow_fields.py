"""Dense optical flow between neighbouring frames, and points that follow it.

Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search" (DIS), 2016, as
in OpenCV.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from motes.errors import InputError

SMALLEST = 12
"""Shorter sides are refused by OpenCV's search."""

REMEMBERED = 160 * 2**20
"""Bytes of fields that are kept for the next question about the same frames."""


def grey(video: Tensor) -> Tensor:
    """Frames ``[B, T, 3, H, W]`` in [0, 1] as uint8 ``[B, T, H, W]``, weighted as in BT.601."""
    weights = video.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return ((video * weights).sum(2) * 255).round().clamp(0, 255).byte()


def flow_field(
    before: np.ndarray,
    after: np.ndarray,
    quality: int = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    finest: int = 0,
) -> np.ndarray:
    """How far each pixel moves.

    The latest fields are remembered by what is in the frames, so that a second question about the
    same frames (another point of a session, the next window) costs nothing.

    Args:
        before: uint8 ``[H, W]``, grey.
        after: Likewise.
        quality: Preset of OpenCV's search.
        finest: Pyramid level at which the search ends; 0: the image itself.

    Returns:
        float16 ``[H, W, 2]``: (x, y) in `after` minus (x, y) in `before`.  Not to be written to.

    Raises:
        InputError: The frames are too small for a flow.
    """
    if min(before.shape) < SMALLEST:
        H, W = before.shape
        raise InputError(
            f"flow: expected frames of at least {SMALLEST}x{SMALLEST} pixels, got {W}x{H}"
        )
    key = (before.shape, hash(before.tobytes()), hash(after.tobytes()), quality, finest)
    field = _memory.get(key)
    if field is None:
        dis = cv2.DISOpticalFlow.create(quality)
        dis.setFinestScale(finest)
        field = dis.calc(before, after, None).astype(np.float16)  # type: ignore[call-overload]
        _memory.put(key, field)
    return field


class _Memory:
    """The arrays that were used last, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._fields: OrderedDict[tuple[object, ...], np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[object, ...]) -> np.ndarray | None:
        with self._lock:
            if key in self._fields:
                self._fields.move_to_end(key)
            return self._fields.get(key)

    def put(self, key: tuple[object, ...], field: np.ndarray) -> None:
        with self._lock:
            if key not in self._fields:
                self._size += field.nbytes
            self._fields[key] = field
            while self._size > self._limit:
                self._size -= self._fields.popitem(last=False)[1].nbytes


_memory = _Memory(REMEMBERED)


class Motion(NamedTuple):
    """Flow between the neighbouring frames of a window, float32 ``[B, S-1, 2, H, W]``.

    Attributes:
        ahead: From each frame to the next.
        back: From that one to this.
    """

    ahead: Tensor
    back: Tensor

    @classmethod
    def of(cls, grey: Tensor) -> Motion:
        """Between frames uint8 ``[B, S, H, W]``."""
        same = len(grey) > 1 and grey.stride(0) == 0  # one video, asked about several times
        videos = (grey[:1] if same else grey).cpu().numpy()
        ahead = [[flow_field(a, b) for a, b in pairwise(v)] for v in videos]
        back = [[flow_field(b, a) for a, b in pairwise(v)] for v in videos]
        return cls(_channels_first(ahead, grey), _channels_first(back, grey))


def _channels_first(fields: list[list[np.ndarray]], grey: Tensor) -> Tensor:
    B, S, H, W = grey.shape
    if S == 1:
        return torch.zeros(B, 0, 2, H, W, device=grey.device)
    stacked = torch.from_numpy(np.stack([np.stack(video) for video in fields]))
    return stacked.to(grey.device).float().movedim(-1, 2).expand(B, -1, -1, -1, -1)


def follow(motion: Motion, xy: Tensor, anchor: Tensor) -> tuple[Tensor, Tensor]:
    """Let points drift with the flow, forward and backward from a frame.

    Args:
        motion: Of the S frames of a window.
        xy: float32 ``[B, N, 2]``, pixels.
        anchor: int64 ``[B, N]``, the frame in which they are there.

    Returns:
        Where they are, ``[B, N, S, 2]``.  The largest forward-backward error on the way from the
        anchor, in pixels, ``[B, N, S]``.
    """
    last = motion.ahead.shape[1]
    places, errors = [xy] * (last + 1), [torch.zeros_like(xy[..., 0])] * (last + 1)
    for t in range(last):
        moved, error = _step(motion.ahead[:, t], motion.back[:, t], places[t], errors[t])
        after = anchor <= t
        places[t + 1] = torch.where(after[..., None], moved, xy)
        errors[t + 1] = torch.where(after, error, 0.0)
    for t in reversed(range(last)):
        moved, error = _step(motion.back[:, t], motion.ahead[:, t], places[t + 1], errors[t + 1])
        before = anchor > t
        places[t] = torch.where(before[..., None], moved, places[t])
        errors[t] = torch.where(before, error, errors[t])
    return torch.stack(places, 2), torch.stack(errors, 2)


def _step(there: Tensor, home: Tensor, xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """One frame on: positions, and the larger of the error so far and that of this step."""
    moved = xy + _sample(there, xy)
    missed = torch.linalg.vector_norm(moved + _sample(home, moved) - xy, dim=-1)
    return moved, torch.maximum(error, missed)


def _sample(field: Tensor, xy: Tensor) -> Tensor:
    """Bilinear values ``[B, N, 2]`` of a field ``[B, 2, H, W]`` at ``[B, N, 2]``; edges go on."""
    H, W = field.shape[-2:]
    grid = 2 * xy / xy.new_tensor([W - 1, H - 1]) - 1
    found = F.grid_sample(field, grid[:, None], padding_mode="border", align_corners=True)
    return found[:, :, 0].transpose(1, 2)
