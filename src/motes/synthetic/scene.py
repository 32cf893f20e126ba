"""`Scene`: the interface of all scenes, to render images and to follow surface points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Points:
    """N points fixed to surfaces.

    Attributes:
        surface: int64 ``[N]``, number of the surface; -1: none.
        local: float64 ``[N, D]``, position in coordinates that move with the surface.
    """

    surface: Tensor
    local: Tensor

    def __getitem__(self, index: Tensor) -> Points:
        """Select by point."""
        return Points(self.surface[index], self.local[index])


@dataclass(frozen=True)
class Located:
    """Projections of points into the frames.

    Attributes:
        xy: float64 ``[T, N, 2]`` in pixels, whole numbers at pixel centres.
        visible: bool ``[T, N]``, whether no other surface is in front; frame borders are ignored.
        valid: bool ``[T, N]``, false where there is no projection (behind the camera).
    """

    xy: Tensor
    visible: Tensor
    valid: Tensor


class Scene(Protocol):
    """A moving scene; times are in frames and may be fractions."""

    def render(self, times: Tensor, offset: tuple[float, float]) -> Tensor:
        """Images ``[T, 3, H, W]`` in 0..1, sampled at pixel centres plus an offset (x, y)."""
        ...

    def pick(self, times: Tensor, xy: Tensor) -> Points:
        """The T*m points seen at pixels ``[T, m, 2]`` at the times ``[T]``."""
        ...

    def locate(self, points: Points, times: Tensor) -> Located:
        """Projections of the points at the times ``[T]``."""
        ...


def inside(xy: Tensor, size: tuple[int, int]) -> Tensor:
    """Whether pixels ``[..., 2]`` lie on a frame of that height and width."""
    H, W = size
    x, y = xy.unbind(-1)
    return (x >= -0.5) & (x < W - 0.5) & (y >= -0.5) & (y < H - 0.5)


def homogeneous(matrix: Tensor, points: Tensor) -> Tensor:
    """Apply projective maps ``[T, 3, 3]`` to points ``[T, N, 2]`` or ``[1, N, 2]``."""
    image = points @ matrix[:, :2, :2].mT + matrix[:, None, :2, 2]
    weight = points @ matrix[:, 2, :2, None] + matrix[:, None, 2, 2:]
    return image / torch.where(weight.abs() < 1e-9, torch.full_like(weight, 1e-9), weight)
