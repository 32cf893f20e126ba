"""`Sample`: a clip with the ground truth of its points, the input of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from motes.errors import InputError


@dataclass(frozen=True, eq=False)
class Sample:
    """T frames and N points followed through them; `collate` adds a batch axis B in front.

    Coordinates are pixels of `video`, x right, y down; (0, 0) is the centre of the top-left pixel.

    Attributes:
        video: uint8 ``[T, 3, H, W]``, RGB.
        xy: float32 ``[T, N, 2]``.
        visible: bool ``[T, N]``.
        valid: bool ``[T, N]``; where false, `xy` and `visible` are unknown: their values have no
            meaning and no loss may use them.

    Raises:
        InputError: The shapes or types do not fit each other.

    Example:
        >>> from motes.data import load
        >>> sample = load("clips", "clips").entries[0].load().sample()
        >>> sample.video.shape, sample.xy.shape
        (torch.Size([12, 3, 72, 96]), torch.Size([12, 9, 2]))
    """

    video: Tensor
    xy: Tensor
    visible: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        *B, T, C, _, _ = self.video.shape if self.video.ndim in (4, 5) else (0,) * 4
        if self.video.ndim not in (4, 5) or C != 3 or self.video.dtype != torch.uint8:
            got = f"{self.video.dtype} {list(self.video.shape)}"
            raise InputError(f"video: expected uint8 [T, 3, H, W] (or a batch of it), got {got}")
        N = self.xy.shape[-2] if self.xy.ndim >= 2 else 0
        _expect("xy", self.xy, torch.float32, (*B, T, N, 2))
        _expect("visible", self.visible, torch.bool, (*B, T, N))
        _expect("valid", self.valid, torch.bool, (*B, T, N))

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return self.video.shape[-4]

    @property
    def num_points(self) -> int:
        """Number of points N."""
        return self.xy.shape[-2]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the video in pixels."""
        return self.video.shape[-1], self.video.shape[-2]

    def points(self, index: Tensor) -> Sample:
        """Select points, in this order; an index may occur more than once.

        Args:
            index: int64 ``[M]``, or bool ``[N]``.
        """
        return replace(
            self,
            xy=self.xy[..., index, :],
            visible=self.visible[..., index],
            valid=self.valid[..., index],
        )

    def frames(self, index: Tensor) -> Sample:
        """Select frames, in this order, of a sample without batch axis.

        Args:
            index: int64 ``[S]``, or bool ``[T]``.
        """
        return Sample(self.video[index], self.xy[index], self.visible[index], self.valid[index])

    def to(self, device: torch.device | str) -> Sample:
        """The same sample on another device."""
        parts = (self.video, self.xy, self.visible, self.valid)
        return Sample(*(part.to(device, non_blocking=True) for part in parts))


def _expect(name: str, value: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    if value.dtype != dtype or tuple(value.shape) != shape:
        got = f"{value.dtype} {list(value.shape)}"
        raise InputError(f"{name}: expected {dtype} {list(shape)}, got {got}")


def collate(samples: Sequence[Sample]) -> Sample:
    """Stack samples of equal shape into one whose tensors start with a batch axis B.

    Raises:
        InputError: The sequence is empty, or the shapes differ.
    """
    if not samples:
        raise InputError("expected at least one sample to collate, got none")
    shapes = {(tuple(s.video.shape), tuple(s.xy.shape)) for s in samples}
    if len(shapes) > 1:
        raise InputError(f"samples: expected one shape of video and xy, got {sorted(shapes)}")
    names = ("video", "xy", "visible", "valid")
    return Sample(*(torch.stack([getattr(s, name) for s in samples]) for name in names))
