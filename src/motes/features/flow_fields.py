"""Dense optical flow between frames of a window, and points that follow it.

Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search" (DIS), 2016, as
in OpenCV.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import cv2
import numpy as np
import torch
from torch import Tensor

from motes.errors import InputError
from motes.features.sampling import blend, neighbourhood

SMALLEST = 12
"""Shorter sides are refused by OpenCV's search."""

PATCH_STRIDE, SMOOTHINGS = 4, 2
"""Pixels between the patches of 8x8 that are searched, and rounds that smooth each level: with 3
and 5, as OpenCV's preset has them, a field takes twice the time."""

LEFT = 20.0
"""Added to the error of a step out of the frame, in pixels."""

AGREE, AGREE_AT_LEAST = 10.0, 0.5
"""A long step may end so many times the error of the shortest step away from it, and so many pixels
more.  With 40 times the error, points of a printed board jump to the neighbouring circle."""

REMEMBERED = 160 * 2**20
"""Bytes of fields that are kept for the next question about the same frames."""


def grey(video: Tensor) -> Tensor:
    """Frames ``[B, T, 3, H, W]`` in [0, 1] as uint8 ``[B, T, H, W]``, weighted as in BT.601."""
    weights = video.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return ((video * weights).sum(2) * 255).round().clamp(0, 255).byte()


@torch.no_grad()
def follow(
    frames: Tensor, xy: Tensor, error: Tensor, deltas: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Let points go with the flow from the frames in which they are known to all others.

    A frame is reached by several steps, whichever ends with the smallest error: long ones drift
    less, and lead past what hides a point for a moment (Neoral, Serych and Matas, "MFT: Long-Term
    Tracking of Every Pixel", 2024, section 3; there with learned flow and learned uncertainty).
    Where a pattern repeats they also lead to the wrong copy and home again, so they may not end far
    from the shortest step, as far as that one is sure.  Errors of steps add up in squares, as
    independent ones do, so that hours of video do not wear out a point that is seen well.

    Args:
        frames: uint8 ``[B, S, H, W]``, grey.
        xy: float32 ``[B, N, S, 2]``, pixels.
        error: float32 ``[B, N, S]``, how far off these are in pixels; infinite where a place is to
            be found, which happens after the known ones first, then before them.
        deltas: Lengths of the steps in frames, the shortest first.

    Returns:
        Places and errors of the same shapes, without gradients.  A point that is known nowhere
        rests.

    Raises:
        InputError: The frames are too small for a flow.
    """
    S, fields = frames.shape[1], Fields(frames)
    places, errors = list(xy.unbind(2)), list(error.unbind(2))
    for direction in (1, -1):
        wanted = [e.isinf() for e in errors]
        for b in range(S)[::direction]:
            sources = [b - direction * delta for delta in deltas]
            sources = [a for a in sources if 0 <= a < S and errors[a][wanted[b]].isfinite().any()]
            if sources:
                place, error = _best([fields.step(a, b, places[a], errors[a]) for a in sources])
                found = wanted[b] & error.isfinite()
                places[b] = torch.where(found[..., None], place, places[b])
                errors[b] = torch.where(found, error, errors[b])
    return torch.stack(places, 2), torch.stack(errors, 2)


def _best(ways: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Of places ``[B, N, 2]`` and errors ``[B, N]`` the best, where it agrees with the first."""
    (near, sure), *others = ways
    place, error = near, sure
    for other, total in others:
        apart = torch.linalg.vector_norm(other - near, dim=-1)
        better = (total < error) & (apart < AGREE * sure + AGREE_AT_LEAST)
        place = torch.where(better[..., None], other, place)
        error = torch.where(better, total, error)
    return place, error


class Fields:
    """The flow between any two frames of a window, found when it is asked for.

    The latest fields are remembered by what is in the frames, so that a second question about the
    same frames (another point of a session, the next window) costs nothing.
    """

    def __init__(self, frames: Tensor) -> None:
        """Take in frames.

        Args:
            frames: uint8 ``[B, S, H, W]``, grey.

        Raises:
            InputError: The frames are too small for a flow.
        """
        B, _, H, W = frames.shape
        if min(H, W) < SMALLEST:
            raise InputError(
                f"flow: expected frames of at least {SMALLEST}x{SMALLEST} pixels, got {W}x{H}"
            )
        self.size = H, W
        same = B > 1 and frames.stride(0) == 0  # one video, asked about several times
        self.videos = (frames[:1] if same else frames).cpu().numpy()
        self.prints = [[hash(frame.tobytes()) for frame in video] for video in self.videos]
        video = torch.arange(B, device=frames.device) // (B if same else 1)
        self.video = video[:, None]

    def step(self, a: int, b: int, xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """Go from frame a to frame b.

        Args:
            a: Number of a frame.
            b: Likewise.
            xy: float32 ``[B, N, 2]``, pixels of frame a.
            error: float32 ``[B, N]``, pixels, how far off these are.

        Returns:
            Places in frame b, and how far off they are: the error so far and, in squares, the
            distance from home at which the way back ends.
        """
        moved = xy + self._sample(self.between(a, b), xy)
        home = moved + self._sample(self.between(b, a), moved)
        missed = torch.linalg.vector_norm(home - xy, dim=-1)
        return moved, torch.hypot(error, missed + LEFT * ~inside(moved, self.size))

    def between(self, a: int, b: int) -> Tensor:
        """How far things move from frame a to frame b, float16 ``[M, h, w, 2]`` (x, y), pixels.

        Of M different videos, in cells of 2 x 2 pixels: h = H / 2, w = W / 2, rounded up.
        """
        pairs = zip(self.videos, self.prints, strict=True)
        fields = [_field(v[a], v[b], (self.size, p[a], p[b])) for v, p in pairs]
        return torch.from_numpy(np.stack(fields)).to(self.video.device)

    def _sample(self, field: Tensor, xy: Tensor) -> Tensor:
        """Bilinear values ``[B, N, 2]`` at ``[B, N, 2]``, pixels; edges continue."""
        index = self.video.expand(xy.shape[:2]).flatten()
        (h, w), (H, W) = field.shape[1:3], self.size
        cells = (xy + 0.5) * xy.new_tensor([w / W, h / H]) - 0.5
        values, fraction = neighbourhood(field, index, cells.flatten(0, 1), 0)
        return blend(values.float(), fraction).view(xy.shape)


def inside(xy: Tensor, size: Sequence[int]) -> Tensor:
    """Whether points ``[..., 2]`` are in frames of this height and width."""
    H, W = size
    return ((xy > -0.5) & (xy < xy.new_tensor([W, H]) - 0.5)).all(-1)


def _field(before: np.ndarray, after: np.ndarray, key: tuple[object, ...]) -> np.ndarray:
    """float16 ``[h, w, 2]``, from memory or found by DIS.

    Means over 2 x 2 pixels take a quarter of the memory, and points are found as well with them.
    """
    field = _memory.get(key)
    if field is None:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        search.setFinestScale(0)  # pixels of the frame itself
        search.setPatchStride(PATCH_STRIDE)
        search.setVariationalRefinementIterations(SMOOTHINGS)
        H, W = before.shape
        full = search.calc(before, after, None)  # type: ignore[call-overload]
        half = cv2.resize(full, ((W + 1) // 2, (H + 1) // 2), interpolation=cv2.INTER_AREA)
        field = half.astype(np.float16)
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
