"""Random soft masks that give a layer its shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from motes.synthetic.dice import Dice

EXTENT = 0.92
"""Fraction of the half-size outside of which masks are 0, so that borders are not visible."""


def outline(dice: Dice, size: int, device: torch.device, softness: float) -> Tensor:
    """A mask ``[size, size]`` of numbers in 0..1.

    Args:
        dice: Random numbers of the clip.
        size: Texels along a side.
        device: Of the mask.
        softness: Width of the soft edge in texels.
    """
    axis = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
    x, y = axis[None, :], axis[:, None]
    distance = dice.choice(SHAPES)(dice, x, y)  # negative inside, in units of the half-size
    distance = torch.maximum(distance, torch.maximum(x.abs(), y.abs()) - EXTENT)
    return (distance * (-size / 2 / softness)).sigmoid()


def _blob(dice: Dice, x: Tensor, y: Tensor) -> Tensor:
    """A closed curve whose radius changes with the angle, like leaves, stones or clouds."""
    angle = torch.atan2(y, x)
    roughness = dice.number(0.02, 0.3)
    radius = torch.full_like(angle, 0.7)
    for k in range(1, dice.integer(2, 9)):
        phase = dice.number(0, math.tau)
        radius += (
            roughness * 0.7 * dice.number(0.3, 1) / math.sqrt(k) * torch.cos(k * angle + phase)
        )
    return torch.hypot(x, y) - radius


def _polygon(dice: Dice, x: Tensor, y: Tensor) -> Tensor:
    """A convex polygon: the intersection of a few half-planes."""
    count = dice.integer(3, 7)
    turn = dice.number(0, math.tau)
    distance = torch.full_like(x * y, -2.0)
    for k in range(count):
        angle = turn + math.tau * (k + dice.number(-0.25, 0.25)) / count
        side = math.cos(angle) * x + math.sin(angle) * y - dice.number(0.45, 0.8)
        distance = torch.maximum(distance, side)
    return distance


def _box(dice: Dice, x: Tensor, y: Tensor) -> Tensor:
    """A rectangle with rounded corners, sometimes long and thin."""
    width, height = dice.scale(0.1, 0.9), dice.number(0.5, 0.9)
    corner = dice.number(0, 0.5) * min(width, height)
    u = (x.abs() - width + corner).clamp_min(0)
    v = (y.abs() - height + corner).clamp_min(0)
    inside = torch.maximum(x.abs() - width, y.abs() - height).clamp_max(0)
    return torch.hypot(u, v) - corner + inside.clamp_max(0)


def _ring(dice: Dice, x: Tensor, y: Tensor) -> Tensor:
    thickness = dice.number(0.08, 0.25)
    stretch = dice.scale(0.7, 1.4)
    return (torch.hypot(x * stretch, y / stretch) - 0.6).abs() - thickness


def _fence(dice: Dice, x: Tensor, y: Tensor) -> Tensor:
    """Parallel or crossed bars with gaps, which occlude only a part of the layers behind."""
    count, fill = dice.integer(2, 6), dice.number(0.25, 0.6)
    bars = _bars(x, count, fill) + torch.zeros_like(y)
    return torch.minimum(bars, _bars(y, count, fill * 0.6)) if dice.chance(0.4) else bars


def _bars(axis: Tensor, count: int, fill: float) -> Tensor:
    position = axis * count
    return ((position - position.round()).abs() - fill / 2) / count


SHAPES = (_blob, _blob, _blob, _blob, _polygon, _polygon, _box, _box, _ring, _fence)
