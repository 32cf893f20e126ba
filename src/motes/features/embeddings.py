"""Sines and cosines of times, positions and displacements."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sincos(position: Tensor, width: int) -> Tensor:
    """Embed positions in `width` channels: all sines, then all cosines; computed in float64.

    Frequencies fall from 1 towards 1/10000 (Attention Is All You Need, section 3.5).

    Args:
        position: ``[...]``.
        width: Even.

    Returns:
        float32 ``[..., width]``.
    """
    device = position.device
    precise = torch.float32 if device.type == "mps" else torch.float64  # Metal has no float64
    exponent = torch.arange(width // 2, dtype=precise, device=device) / (width // 2)
    angle = position.to(precise)[..., None] * 10000.0**-exponent
    return torch.cat([angle.sin(), angle.cos()], -1).float()


def time_table(length: int, width: int) -> Tensor:
    """One row per frame, ``[length, width]``."""
    return sincos(torch.arange(length), width)


def resize_time(table: Tensor, length: int) -> Tensor:
    """Resize a time table ``[T, D]`` to `length` rows, linearly with half-pixel centres."""
    return F.interpolate(table.mT[None], length, mode="linear", align_corners=False)[0].mT


def embed_position(xy: Tensor, size: tuple[int, int], width: int) -> Tensor:
    """Embed positions: the first half of the channels from x, the second half from y.

    The embedding is interpolated linearly between cells (like samples of a table of all cells);
    positions are clamped to the map.

    Args:
        xy: float32 ``[..., 2]``, cells.
        size: Width and height of the map in cells.
        width: A multiple of 4.

    Returns:
        float32 ``[..., width]``.
    """
    top = xy.new_tensor([size[0] - 1, size[1] - 1])
    xy = torch.minimum(xy.clamp(min=0), top)
    cell = xy.floor()
    here, next_cell = sincos(cell, width // 2), sincos(torch.minimum(cell + 1, top), width // 2)
    return torch.lerp(here, next_cell, (xy - cell)[..., None]).flatten(-2)


class OctaveEmbedding(nn.Module):
    """A vector with the sines, then the cosines, of its octaves (CoTracker3).

    Order: the vector; sin(2^k r), k slow and component fast; the same shifted by pi/2.
    """

    def __init__(self, dims: int, octaves: int) -> None:
        super().__init__()
        self.octaves = octaves
        self.out_channels = dims * (1 + 2 * octaves)

    def forward(self, r: Tensor) -> Tensor:
        """Embed ``[..., dims]`` as ``[..., out_channels]``."""
        scales = 2.0 ** torch.arange(self.octaves, device=r.device)
        angles = (r[..., None, :] * scales[:, None]).flatten(-2)
        return torch.cat([r, angles.sin(), (angles + 0.5 * math.pi).sin()], -1)


class HarmonicEmbedding(nn.Module):
    """A vector with sines and cosines at evenly spaced frequencies (CoTracker 1 and 2).

    Order: the vector; then for each component sin, cos, sin, cos, ... of rising frequency.  The
    frequencies reach 969 radians per unit, so rounding errors of the input matter.
    """

    def __init__(self, dims: int, frequencies: int, top: float = 1000.0) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.spacing = top / frequencies
        self.out_channels = dims * (1 + 2 * frequencies)

    def forward(self, r: Tensor) -> Tensor:
        """Embed ``[..., dims]`` as ``[..., out_channels]``."""
        scales = torch.arange(self.frequencies, device=r.device) * self.spacing
        angles = r[..., None] * scales
        waves = torch.stack([angles.sin(), angles.cos()], -1).flatten(-3)
        return torch.cat([r, waves], -1)
