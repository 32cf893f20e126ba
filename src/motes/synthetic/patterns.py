"""Procedural textures: random fields mapped to a few colours."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.synthetic.dice import Dice


def pattern(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    """A procedural texture ``[3, h, w]``: a random field mapped to a few colours."""
    field = dice.choice(FIELDS)(dice, size, device)
    image = _palette(dice, field)
    if dice.chance(0.6):
        grain = noise_field(dice, size, device, finest=1)
        image = image + (grain - 0.5) * dice.scale(0.02, 0.3)
    return image.clamp_(0, 1)


def _palette(dice: Dice, field: Tensor) -> Tensor:
    """Colours for a field ``[h, w]`` of numbers in 0..1, interpolated between random ones."""
    count = dice.integer(2, 6)
    colours = dice.uniform(0, 1, count, 3)
    if dice.chance(0.4):  # muted, as in most scenes
        colours = colours.mean(1, keepdim=True) + 0.25 * (colours - 0.5)
    colours = colours.to(field)
    position = field.clamp(0, 1) * (count - 1)
    low = position.floor().clamp_(max=count - 2)
    weight = (position - low)[..., None]
    low = low.long()
    return torch.lerp(colours[low], colours[low + 1], weight).permute(2, 0, 1)


def axes(
    dice: Dice,
    size: tuple[int, int],
    device: torch.device,
    warped: float = 0.4,
    bends: tuple[float, float] = (0.02, 0.2),
) -> tuple[Tensor, Tensor]:
    """Coordinates of every texel, in longer sides, rotated and sometimes warped by smooth noise.

    Args:
        dice: Random numbers of the clip.
        size: Height and width in texels.
        device: Of the coordinates.
        warped: Share that is warped.
        bends: Least and largest strength of the noise, in longer sides.
    """
    h, w = size
    y = torch.arange(h, device=device).float().sub_(h / 2).div_(max(size))[:, None]
    x = torch.arange(w, device=device).float().sub_(w / 2).div_(max(size))[None]
    angle = dice.number(0, math.tau)
    u = math.cos(angle) * x + math.sin(angle) * y
    v = math.cos(angle) * y - math.sin(angle) * x
    if dice.chance(warped):
        bend = dice.scale(*bends)
        u = u + bend * _upsampled(dice, size, device, 4)
        v = v + bend * _upsampled(dice, size, device, 4)
    return u, v


def _upsampled(dice: Dice, size: tuple[int, int], device: torch.device, cells: int) -> Tensor:
    """Smooth noise ``[h, w]`` around 0 with `cells` cells along the longer side."""
    h, w = (max(2, math.ceil(cells * side / max(size))) for side in size)
    coarse = torch.randn(1, 1, h, w, generator=dice.on(device), device=device)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=False)[0, 0]


def noise_field(dice: Dice, size: tuple[int, int], device: torch.device, finest: int = 2) -> Tensor:
    """Octaves of noise, normalised to 0..1, like clouds, stone or foliage."""
    persistence = dice.number(0.35, 0.9)
    cells, strength = dice.integer(2, 6), 1.0
    total = torch.zeros(size, device=device)
    while cells * finest <= max(size):
        total += strength * _upsampled(dice, size, device, cells)
        cells, strength = cells * 2, strength * persistence
    return _normalised(total)


def _normalised(field: Tensor) -> Tensor:
    low, high = field.amin(), field.amax()
    return (field - low) / (high - low).clamp_min(1e-6)


def _stripes(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    u, _ = axes(dice, size, device)
    wave = torch.sin(u * math.tau * dice.scale(3, 30))
    return (wave * dice.scale(0.5, 20)).tanh().add_(1).div_(2)


def _checker(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    u, v = axes(dice, size, device)
    count, edge = dice.scale(2, 12), dice.scale(3, 30)
    waves = torch.sin(u * math.tau * count) * torch.sin(v * math.tau * count)
    return (waves * edge).tanh().add_(1).div_(2)


def _bricks(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    u, v = axes(dice, size, device)
    rows, stretch = dice.scale(5, 24), dice.number(1.5, 3)
    row = (v * rows).floor()
    column = u * rows / stretch + row * dice.choice((0.5, 0.33, 0.0))
    shade = torch.frac(torch.sin(row * 12.9898 + column.floor() * 78.233).abs() * 437.585)
    joint = ((column - column.floor()) < 0.06) | ((v * rows - row) < 0.12)
    return torch.where(joint, torch.zeros_like(shade), 0.3 + 0.7 * shade)


def _cells(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    """Voronoi cells: of constant value, or shaded by the distance to the centre."""
    u, v = axes(dice, size, device)
    count = dice.integer(8, 40)
    seeds = dice.uniform(-0.6, 0.6, count, 2).to(u)
    distance = torch.stack([(u - a).square() + (v - b).square() for a, b in seeds])
    nearest, cell = distance.min(0)
    if dice.chance(0.4):
        return _normalised(nearest.sqrt())
    return torch.frac(cell * 0.6180339)


def _dots(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    u, v = axes(dice, size, device)
    count, radius = dice.scale(4, 20), dice.number(0.15, 0.45)
    u, v = u * count, v * count
    distance = torch.hypot(u - u.round(), v - v.round())
    return ((radius - distance) * 12).sigmoid_()


def _blocks(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    """Overlapping rectangles of many sizes."""
    h, w = size
    field = torch.full(size, dice.number(0, 1), device=device)
    for _ in range(dice.integer(10, 60)):
        height, width = (max(1, int(side * dice.scale(0.02, 0.4))) for side in size)
        top, left = dice.integer(-height + 1, h - 1), dice.integer(-width + 1, w - 1)
        window = field[max(top, 0) : top + height, max(left, 0) : left + width]
        window.fill_(dice.number(0, 1))
    return field


def _ramp(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    """Almost no texture: a linear or radial gradient."""
    u, v = axes(dice, size, device)
    field = u if dice.chance(0.5) else torch.hypot(u, v)
    return _normalised(field) * dice.number(0.05, 1)


FIELDS = (noise_field, noise_field, noise_field, _stripes, _checker, _bricks, _cells, _cells, _dots,
          _blocks, _blocks, _ramp)  # fmt: skip
