"""Random numbers of a clip: one seed decides them all, on every device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Dice:
    """Random numbers of one clip, drawn on the CPU in float64.

    Parameters of scenes are few, so they are drawn on the CPU and then moved; the geometry of a
    clip is therefore the same on every device.

    Args:
        seed: Number of the clip.
    """

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(_scramble(seed))

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers in [low, high)."""
        sample = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return low + (high - low) * sample

    def normal(self, *shape: int) -> Tensor:
        """Normally distributed numbers of deviation 1."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def number(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return float(self.uniform(low, high))

    def scale(self, low: float, high: float) -> float:
        """One positive number whose logarithm is uniform."""
        return math.exp(self.number(math.log(low), math.log(high)))

    def integer(self, low: int, high: int) -> int:
        """One whole number, both ends included."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.number(0, 1) < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def on(self, device: torch.device) -> torch.Generator:
        """A generator for random images on a device."""
        seed = int(torch.randint(2**62, (), generator=self.generator))
        return torch.Generator(device).manual_seed(seed)


def _scramble(seed: int) -> int:
    """Mix the bits (SplitMix64), because consecutive seeds give correlated generators."""
    mask = 2**64 - 1
    z = (seed + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) & (2**63 - 1)
