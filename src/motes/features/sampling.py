"""Bilinear patches of feature maps, from one gather of each point's neighbourhood.

The samples of a patch are whole pixels apart, so they have the same bilinear weights: gathering the
``(2r+2) x (2r+2)`` whole-pixel neighbourhood and interpolating along x, then along y, gives the
``(2r+1) x (2r+1)`` bilinear samples.  A linear operation on the features, such as a dot product,
can be done between the two steps.  `patches_by_grid_sample` is the slow, readable reference.

Maps are channels-last, ``[M, h, w, C]``; positions are (x, y) with whole numbers at pixel centres.
In every patch the x offset is the slow index and the y offset the fast one, as the checkpoints of
CoTracker expect.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Outside = Literal["border", "zero"]
"""Padding of a map: its nearest border pixel, or zeros."""


def by_kernel(maps: Tensor) -> bool:
    """Whether `motes.features.kernels` can be used: inference on CUDA with Triton installed."""
    return maps.is_cuda and not torch.is_grad_enabled() and _triton_installed()


@cache
def _triton_installed() -> bool:
    return find_spec("triton") is not None


def neighbourhood(
    maps: Tensor, index: Tensor, xy: Tensor, radius: int, outside: Outside = "border"
) -> tuple[Tensor, Tensor]:
    """Gather the whole-pixel neighbourhoods of points.

    Args:
        maps: ``[M, h, w, C]``.
        index: int64 ``[P]``, number of the map.
        xy: float32 ``[P, 2]``, pixels of the map.
        radius: Of the patch that `blend` makes.
        outside: Padding of the maps.

    Returns:
        Values ``[P, 2r+2, 2r+2, C]`` (x slow, y fast) and fractions ``[P, 2]`` for `blend`.
    """
    _, h, w, C = maps.shape
    x, y = xy.clamp(min=-(radius + 1.0)).unbind(-1)  # farther out, the patch is constant
    # Sizes stay symbols here, so that an exported graph takes maps of any size.
    xy = torch.stack([x.clamp(max=w + radius), y.clamp(max=h + radius)], -1)
    corner = xy.floor()
    offsets = torch.arange(-radius, radius + 2, device=xy.device)
    x, y = (corner.long()[..., None] + offsets).unbind(-2)  # [P, 2r+2]
    rows = index[:, None] * h + y.clamp(0, h - 1)
    pixels = x.clamp(0, w - 1)[:, :, None] + (rows * w)[:, None, :]
    values = F.embedding(pixels, maps.reshape(-1, C))
    if outside == "zero":
        inside = ((x >= 0) & (x < w))[:, :, None] & ((y >= 0) & (y < h))[:, None, :]
        values = values * inside[..., None]
    return values, xy - corner


def blend(values: Tensor, fraction: Tensor) -> Tensor:
    """Bilinear samples from whole-pixel values.

    Args:
        values: ``[P, K+1, K+1, D]``, x slow.
        fraction: ``[P, 2]``, by `neighbourhood`.

    Returns:
        ``[P, K, K, D]``.
    """
    fx, fy = fraction.to(values.dtype)[..., None, None, None].unbind(1)
    values = torch.lerp(values[:, :-1], values[:, 1:], fx)
    return torch.lerp(values[:, :, :-1], values[:, :, 1:], fy)


def patches(
    maps: Tensor, index: Tensor, xy: Tensor, radius: int, outside: Outside = "border"
) -> Tensor:
    """Bilinear samples of the ``(2r+1)^2`` positions around points.

    Args:
        maps: ``[M, h, w, C]``.
        index: int64 ``[P]``, number of the map.
        xy: float32 ``[P, 2]``, pixels of the map.
        radius: 3 gives patches of 7 x 7; 0 one sample per point.
        outside: Padding of the maps.

    Returns:
        ``[P, (2r+1)^2, C]``, x slow, y fast.
    """
    return blend(*neighbourhood(maps, index, xy, radius, outside)).flatten(1, 2)


def patches_by_grid_sample(
    maps: Tensor, index: Tensor, xy: Tensor, radius: int, outside: Outside = "border"
) -> Tensor:
    """The readable reference of `patches`: one grid sample per position."""
    h, w = maps.shape[1:3]
    steps = torch.arange(-radius, radius + 1, dtype=xy.dtype, device=xy.device)
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).flatten(0, 1)
    scale = xy.new_tensor([max(w - 1, 1), max(h - 1, 1)])
    grid = (xy[:, None] + offsets) * 2 / scale - 1  # [P, (2r+1)^2, 2]
    mode = "border" if outside == "border" else "zeros"
    planes = maps[index].permute(0, 3, 1, 2)
    found = F.grid_sample(planes, grid[:, :, None], padding_mode=mode, align_corners=True)
    return found[..., 0].mT
