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
from motes.synthetic.config import SyntheticConfig
from motes.synthetic.dice import Dice
from motes.synthetic.patterns import pattern
from motes.synthetic.repeats import repeated

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class Textures:
    """Draws textures of any size; photographs are decoded once, when first used.

    Args:
        folder: Folder of photographs, searched recursively; None: only patterns.
        procedural: Share of patterns, when there are photographs.
        side: Longer side to which photographs are reduced in memory.
        repeated: Share of patterns that repeat one cell, such as tiles or printed boards.

    Raises:
        FileError: The folder does not exist or holds no image.

    Example:
        >>> from motes.synthetic import SyntheticConfig, Textures, synthesize
        >>> config = SyntheticConfig(frames=2, size=(32, 32), points=4, kind="layers")
        >>> len(synthesize(config, seeds=[0, 1], textures=Textures()))
        2
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        procedural: float = 0.25,
        side: int = 512,
        repeated: float = 0.0,
    ) -> None:
        self.paths = _images(Path(folder)) if folder is not None else []
        self.procedural, self.repeated = procedural, repeated
        self.side = side
        self._photographs: dict[int, Tensor] = {}

    @staticmethod
    def of(config: SyntheticConfig) -> Textures:
        """Those of a configuration."""
        return Textures(config.textures, config.procedural, repeated=config.repeated)

    def looking_like(self, config: SyntheticConfig) -> Textures:
        """The same photographs, decoded once, with the shares of another configuration."""
        other = Textures(None, config.procedural, self.side, config.repeated)
        other.paths, other._photographs = self.paths, self._photographs
        return other

    def draw(self, dice: Dice, size: tuple[int, int], device: torch.device) -> Tensor:
        """A texture ``[3, h, w]`` of numbers in 0..1."""
        if self.repeated and dice.chance(self.repeated):
            return repeated(dice, size, device)
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
