"""Textures that repeat one cell: tiles, checks, dots, printed boards, facades, bricks, fabric.

In such a texture a wrong copy looks right, which is what a tracker has to learn to notice.  A
pattern is a function in `REPEATS`: it gets coordinates in which a cell is 1 wide and 1 high.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from motes.synthetic.dice import Dice
from motes.synthetic.patterns import axes, noise_field

CELLS = (4.0, 40.0)
"""Least and largest number of cells along the longer side of a texture."""

MOST_CELLS_AWAY = 500.0
"""Cells by which a texture is shifted, so that no two have the same markers."""

LEAST_CONTRAST = 0.35
"""Between the two colours of a texture, in brightness."""


def repeated(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    """A texture ``[3, h, w]``: one cell many times in two colours, with dirt and uneven light."""
    count = dice.scale(*CELLS)
    u, v = axes(dice, size, device, warped=0.2, bends=(0.002, 0.03))
    u, v = (w * count + dice.number(0, MOST_CELLS_AWAY) for w in (u, v))
    field = dice.choice(REPEATS)(dice, u, v, max(size) / count)
    dark, bright = _colours(dice)
    image = torch.lerp(dark.to(field), bright.to(field), field.clamp(0, 1))
    uneven = noise_field(dice, size, device)
    image = image * (1 - dice.number(0, 0.4) * uneven)
    if dice.chance(0.5):
        image = image + (noise_field(dice, size, device, finest=1) - 0.5) * dice.scale(0.02, 0.15)
    return image.clamp_(0, 1)


def _colours(dice: Dice) -> tuple[Tensor, Tensor]:
    """A dark and a bright colour ``[3, 1, 1]``; often black and white, as printed."""
    if dice.chance(0.3):
        low, high = dice.number(0, 0.15), dice.number(0.75, 1)
        return torch.full((3, 1, 1), low), torch.full((3, 1, 1), high)
    dark = dice.uniform(0, 0.5, 3, 1, 1)
    bright = dark + dice.number(LEAST_CONTRAST, 0.6) + dice.uniform(-0.15, 0.15, 3, 1, 1)
    return (bright, dark) if dice.chance(0.3) else (dark, bright)


def _covered(distance: Tensor, sharp: float) -> Tensor:
    """How much of a texel lies inside an outline, from the distance inwards in cells.

    Args:
        distance: Positive inside.
        sharp: Texels per cell.
    """
    return (distance * sharp + 0.5).clamp(0, 1)


def _within(u: Tensor) -> Tensor:
    """Position in the cell, -0.5 to 0.5."""
    return u - u.floor() - 0.5


def _hash(*numbers: Tensor) -> Tensor:
    """A number in 0..1 for each combination of whole numbers, without a pattern to the eye."""
    total = torch.zeros(())
    for number, factor in zip(numbers, (12.9898, 78.233, 37.719, 93.989), strict=False):
        total = total.to(number) + number * factor
    return torch.frac((total.sin() * 43758.547).abs())


def _rectangle(u: Tensor, v: Tensor, width: float, height: float) -> Tensor:
    """Distance inwards from the sides of a rectangle around 0."""
    return torch.minimum(width / 2 - u.abs(), height / 2 - v.abs())


def _checks(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    across, down = (((2 * (w / 2 - (w / 2).round()).abs() - 0.5) * sharp) for w in (u, v))
    return (1 + across.clamp(-1, 1) * down.clamp(-1, 1)) / 2


def _dots(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    """Discs in rows; every other row may be shifted by half a cell."""
    u = u + v.floor() * dice.choice((0.0, 0.0, 0.5))
    return _covered(dice.number(0.15, 0.45) - torch.hypot(_within(u), _within(v)), sharp)


def _tiles(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    joint, uneven = dice.number(0.03, 0.15), dice.number(0, 0.25)
    tile = _covered(_rectangle(_within(u), _within(v), 1 - joint, 1 - joint), sharp)
    return tile * (1 - uneven * _hash(u.floor(), v.floor()))


def _bricks(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    u = u / dice.number(1.8, 3) + v.floor() * dice.choice((0.5, 0.33))
    joint, uneven = dice.number(0.08, 0.2), dice.number(0, 0.4)
    brick = _covered(_rectangle(_within(u), _within(v), 1 - joint / 2, 1 - joint), sharp)
    return brick * (1 - uneven * _hash(u.floor(), v.floor()))


def _windows(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    """A facade: windows with bars, some of them lit."""
    u, v, lit = u / dice.number(0.7, 1.5), v, dice.number(0, 0.4)
    x, y = _within(u), _within(v)
    width, height = dice.number(0.35, 0.75), dice.number(0.4, 0.8)
    pane = _covered(_rectangle(x, y, width, height), sharp)
    bar = 1 - _covered(dice.number(0.01, 0.04) - x.abs(), sharp)
    bright = 0.4 * (_hash(u.floor(), v.floor()) < lit)
    return 1 - pane * bar * (1 - bright)


def _weave(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    """Threads that pass over and under each other."""
    over = (u.floor() + v.floor()).remainder(2) == 0
    along, across = torch.where(over, u, v), torch.where(over, v, u)
    roundness = dice.number(0.3, 0.9)
    thread = 1 - roundness * (2 * _within(across)).square()
    return thread * (0.6 + 0.4 * torch.cos(math.pi * _within(along)))


def _hexagons(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    """Honeycomb: the border lies where two centres are equally near."""
    rows = v / math.sqrt(0.75)
    near = []
    for shift in (0.0, 0.5):
        y = (rows / 2 - shift).round() + shift
        x = (u - shift).round() + shift
        near.append(torch.hypot(u - x, v - 2 * y * math.sqrt(0.75)))
    first, second = torch.minimum(*near), torch.maximum(*near)
    inside = torch.minimum((second - first) / 2, 0.5 - first)
    return _covered(inside - dice.number(0.02, 0.08), sharp)


def _lattice(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    width = dice.number(0.05, 0.3)
    bars = torch.maximum(width - _within(u).abs(), width - _within(v).abs())
    return _covered(bars, sharp)


def _stripes(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    return _covered(dice.number(0.1, 0.35) - _within(u).abs(), sharp)


def _markers(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    """A calibration board: black squares with white bits that differ from square to square."""
    bits, side = dice.integer(3, 6), dice.number(0.6, 0.85)
    x, y = _within(u), _within(v)
    square = _covered(_rectangle(x, y, side, side), sharp)
    pitch = side / (bits + 2)  # one black bit around the others
    column, row = (w.div(pitch).add(bits / 2).floor() for w in (x, y))
    coded = (column >= 0) & (column < bits) & (row >= 0) & (row < bits)
    white = coded & (_hash(u.floor(), v.floor(), column, row) < 0.5)
    return 1 - square * ~white


def _marked_checks(dice: Dice, u: Tensor, v: Tensor, sharp: float) -> Tensor:
    """A chessboard with a marker in each white field."""
    checks = _checks(dice, u + 0.5, v + 0.5, sharp)
    return torch.minimum(checks, _markers(dice, u, v, sharp))


REPEATS = (_checks, _dots, _tiles, _bricks, _windows, _weave, _hexagons, _lattice, _stripes,
           _markers, _marked_checks)  # fmt: skip
