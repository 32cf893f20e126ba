"""Textures: crops of photographs, and procedural patterns."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from motes.common.images import decode_image
from motes.errors import FileError
from motes.synthetic.dice import Dice

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class Textures:
    """Draws textures of any size; photographs are decoded once, when first used.

    Args:
        folder: Folder of photographs, searched recursively; None: only patterns.
        procedural: Share of patterns, when there are photographs.
        side: Longer side to which photographs are reduced in memory.

    Raises:
        FileError: The folder does not exist or holds no image.
    """

    def __init__(
        self, folder: str | Path | None = None, procedural: float = 0.25, side: int = 512
    ) -> None:
        self.paths = _images(Path(folder)) if folder is not None else []
        self.procedural = procedural
        self.side = side
        self._photographs: dict[int, Tensor] = {}

    def draw(self, dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
        """A texture ``[3, h, w]`` of numbers in 0..1."""
        if not self.paths or dice.chance(self.procedural):
            return pattern(dice, size, device)
        return self._crop(dice, size, device)

    def _crop(self, dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
        photograph = self._photograph(dice.integer(0, len(self.paths) - 1), device)
        windows = [_window(dice, photograph, size) for _ in range(dice.integer(1, 3))]
        image = max(windows, key=_detail).to(torch.float32).div_(255)
        image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        return tint(dice, _mirror(dice, image))

    def _photograph(self, index: int, device: torch.device) -> Tensor:
        if index not in self._photographs:
            self._photographs[index] = torch.from_numpy(_decode(self.paths[index], self.side))
        if self._photographs[index].device != device:
            self._photographs[index] = self._photographs[index].to(device)
        return self._photographs[index]


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileError(f"textures: expected a folder of images, found none at {folder}")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise FileError(f"textures: no image in {folder}; known: {', '.join(sorted(SUFFIXES))}")
    return paths


def _decode(path: Path, side: int) -> np.ndarray:
    image = decode_image(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR, f"textures: {path}")
    scale = min(1.0, side / max(image.shape[:2]))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))


def _window(dice: Dice, image: Tensor, size: tuple[int, int]) -> Tensor:
    """A random crop with nearly the aspect ratio of `size`."""
    h, w = size[0], size[1] * dice.scale(0.8, 1.25)
    fit = min(image.shape[1] / h, image.shape[2] / w)
    # Crops are not enlarged much: enlarged ones are blurred and bad training data.
    scale = fit * max(dice.scale(0.3, 1.0), min(1.0, 0.8 / fit))
    h, w = max(8, int(h * scale)), max(8, int(w * scale))
    h, w = min(h, image.shape[1]), min(w, image.shape[2])
    top, left = dice.integer(0, image.shape[1] - h), dice.integer(0, image.shape[2] - w)
    return image[:, top : top + h, left : left + w]


def _detail(image: Tensor) -> float:
    """Amount of texture: the mean difference of neighbours on a coarse grid."""
    green = image[1, ::3, ::3].to(torch.float32)
    return float(
        (green[1:] - green[:-1]).abs().mean() + (green[:, 1:] - green[:, :-1]).abs().mean()
    )


def _mirror(dice: Dice, image: Tensor) -> Tensor:
    """Mirror horizontally, vertically or both, at random."""
    flips = [axis for axis in (1, 2) if dice.chance(0.5 if axis == 2 else 0.2)]
    return image.flip(flips) if flips else image


def tint(dice: Dice, image: Tensor) -> Tensor:
    """Change contrast, brightness, saturation and balance; low contrast is increased."""
    saturation, contrast = dice.number(0.5, 1.4), dice.scale(0.7, 1.3)
    balance = dice.uniform(0.85, 1.15, 3, 1, 1).to(image)
    grey = image.mean(0, keepdim=True)
    middle = grey.mean()
    if dice.chance(0.7):
        contrast = max(contrast, 0.2 / max(float(grey.std()), 0.05))
    image = torch.lerp(grey, image, saturation).sub_(middle).mul_(balance * contrast)
    return image.add_(middle.clamp(0.3, 0.7) + dice.number(-0.12, 0.12)).clamp_(0, 1)


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Blur an image ``[C, h, w]`` by a Gaussian of deviation `sigma` in texels."""
    reach = max(1, math.ceil(2.5 * sigma))
    offsets = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    planes = F.pad(image[:, None], (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(planes, kernel), kernel.mT)[:, 0]


def pattern(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    """A procedural texture ``[3, h, w]``: a random field mapped to a few colours."""
    field = dice.choice(FIELDS)(dice, size, device)
    image = _palette(dice, field)
    if dice.chance(0.6):
        grain = _noise(dice, size, device, finest=1)
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


def _axes(dice: Dice, size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rotated coordinates of every texel, in longer sides; sometimes warped by smooth noise."""
    h, w = size
    y = torch.arange(h, device=device).float().sub_(h / 2).div_(max(size))[:, None]
    x = torch.arange(w, device=device).float().sub_(w / 2).div_(max(size))[None]
    angle = dice.number(0, math.tau)
    u = math.cos(angle) * x + math.sin(angle) * y
    v = math.cos(angle) * y - math.sin(angle) * x
    if dice.chance(0.4):
        bend = dice.scale(0.02, 0.2)
        u = u + bend * _upsampled(dice, size, device, 4)
        v = v + bend * _upsampled(dice, size, device, 4)
    return u, v


def _upsampled(dice: Dice, size: tuple[int, int], device: torch.device, cells: int) -> Tensor:
    """Smooth noise ``[h, w]`` around 0 with `cells` cells along the longer side."""
    h, w = (max(2, math.ceil(cells * side / max(size))) for side in size)
    coarse = torch.randn(1, 1, h, w, generator=dice.on(device), device=device)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=False)[0, 0]


def _noise(dice: Dice, size: tuple[int, int], device: torch.device, finest: int = 2) -> Tensor:
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
    u, _ = _axes(dice, size, device)
    wave = torch.sin(u * math.tau * dice.scale(3, 30))
    return (wave * dice.scale(0.5, 20)).tanh().add_(1).div_(2)


def _checker(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    u, v = _axes(dice, size, device)
    count, edge = dice.scale(2, 12), dice.scale(3, 30)
    waves = torch.sin(u * math.tau * count) * torch.sin(v * math.tau * count)
    return (waves * edge).tanh().add_(1).div_(2)


def _bricks(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    u, v = _axes(dice, size, device)
    rows, stretch = dice.scale(5, 24), dice.number(1.5, 3)
    row = (v * rows).floor()
    column = u * rows / stretch + row * dice.choice((0.5, 0.33, 0.0))
    shade = torch.frac(torch.sin(row * 12.9898 + column.floor() * 78.233).abs() * 437.585)
    joint = ((column - column.floor()) < 0.06) | ((v * rows - row) < 0.12)
    return torch.where(joint, torch.zeros_like(shade), 0.3 + 0.7 * shade)


def _cells(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    """Voronoi cells: of constant value, or shaded by the distance to the centre."""
    u, v = _axes(dice, size, device)
    count = dice.integer(8, 40)
    seeds = dice.uniform(-0.6, 0.6, count, 2).to(u)
    distance = torch.stack([(u - a).square() + (v - b).square() for a, b in seeds])
    nearest, cell = distance.min(0)
    if dice.chance(0.4):
        return _normalised(nearest.sqrt())
    return torch.frac(cell * 0.6180339)


def _dots(dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
    u, v = _axes(dice, size, device)
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
    u, v = _axes(dice, size, device)
    field = u if dice.chance(0.5) else torch.hypot(u, v)
    return _normalised(field) * dice.number(0.05, 1)


FIELDS = (_noise, _noise, _noise, _stripes, _checker, _bricks, _cells, _cells, _dots, _blocks,
          _blocks, _ramp)  # fmt: skip
