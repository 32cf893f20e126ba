"""Positions as logits and as sine codes, as TAPTR encodes them.

Positions are normalised: 0 and 1 are the centres of the first and the last pixel of a row or
column.  Codes list y before x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

EDGE = 1e-3
"""Least distance from 0 and from 1 in `logit`; positions closer to them are clamped."""

TEMPERATURE = 10.0
"""Ratio of the longest to the shortest wavelength of a code."""


def logit(position: Tensor) -> Tensor:
    """Inverse of the sigmoid, limited to about ``[0.001, 0.999]``."""
    p = position.clamp(0, 1)
    return torch.log(p.clamp(min=EDGE) / (1 - p).clamp(min=EDGE))


def sine_code(position: Tensor, width: int) -> Tensor:
    """Sines and cosines of each coordinate, interleaved; the shortest period is the image side.

    Args:
        position: ``[..., k]``; (x, y) or (x, y, w, h).
        width: Numbers per coordinate, even.

    Returns:
        ``[..., k * width]``, first y, then x, then the others.
    """
    others = range(2, position.shape[-1])
    return _waves(position[..., [1, 0, *others]] * (2 * math.pi), width).flatten(-2)


def image_code(sizes: Sequence[tuple[int, int]], width: int, device: torch.device) -> list[Tensor]:
    """Code of every cell of feature maps, in float32.

    Args:
        sizes: Height and width of each map.
        width: Numbers per cell, the first half for y, the second for x.
        device: Of the codes.

    Returns:
        Per map ``[h * w, width]``, row by row.
    """
    return [_map_code(h, w, width, device) for h, w in sizes]


def _map_code(h: int, w: int, width: int, device: torch.device) -> Tensor:
    y = torch.arange(1, h + 1, device=device) / (h + 1e-6) * (2 * math.pi)
    x = torch.arange(1, w + 1, device=device) / (w + 1e-6) * (2 * math.pi)
    rows = _waves(y, width // 2)[:, None].expand(h, w, -1)
    columns = _waves(x, width // 2)[None].expand(h, w, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)


def _waves(angle: Tensor, width: int) -> Tensor:
    """``[...]`` to ``[..., width]``: sine and cosine of the angle over each wavelength."""
    pairs = torch.arange(width // 2, dtype=torch.float32, device=angle.device)
    scaled = angle[..., None] / TEMPERATURE ** (2 * pairs / width)
    return torch.stack([scaled.sin(), scaled.cos()], -1).flatten(-2)
