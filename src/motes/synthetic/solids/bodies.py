"""Parts of a world: bodies with textures, and a sun."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.synthetic.solids.primitives import FACES, Vector, unfold
from motes.synthetic.solids.rigid import Motion

LEVELS = (1, 3, 9)
"""Reduction factors of the texture pyramid; see `Body.images`."""


@dataclass(frozen=True)
class Body:
    """One surface.

    Attributes:
        kind: Key of `FACES`.
        half: Half-sizes ``[3]``: the scale of the unit frame.
        motion: Its motion.
        images: Its textures side by side, float32 ``[3, S, S * faces]``, at the sizes
            reduced by `LEVELS`.
        detail: Texels of the first image per unit of length.
        gloss: Strength of the highlight.
        lit: Whether it is shaded (a sky is not).
    """

    kind: str
    half: Tensor
    motion: Motion
    images: tuple[Tensor, ...]
    detail: float
    gloss: float = 0.0
    lit: bool = True

    @property
    def reach(self) -> float:
        """Radius of the bounding sphere around the centre; infinite for surroundings."""
        if self.kind in ("plane", "dome", "room"):
            return math.inf
        return float(self.half.max() if self.kind == "ball" else self.half.norm())

    def sample(self, local: Vector, footprint: Tensor) -> Tensor:
        """Colours ``[3, M]`` at points of the unit frame, with `footprint` texels per pixel."""
        u, v, face = unfold(self.kind, local)
        colour = self._look_up(0, u, v, face)
        level = torch.log(footprint.clamp_min(1)) / math.log(LEVELS[1] / LEVELS[0])
        for k in range(1, min(len(LEVELS), 1 + math.ceil(float(level.amax())))):
            softer = self._look_up(k, u, v, face)
            colour = torch.lerp(colour, softer, (level - (k - 1)).clamp_(0, 1))
        return colour

    def _look_up(self, level: int, u: Tensor, v: Tensor, face: Tensor) -> Tensor:
        """Bilinear samples within a face; they never mix texels of two faces."""
        image = self.images[level]
        S, faces, finest = image.shape[1], FACES[self.kind], self.images[0].shape[1]
        column, row = (((w + 1) / 2 * (finest - 1) + 0.5) * (S / finest) for w in (u, v))
        column = column.clamp_(0.5, S - 0.5) + face * S
        row = row.clamp_(0.5, S - 0.5)
        grid = torch.stack([column * (2 / (S * faces)) - 1, row * (2 / S) - 1], -1)
        return F.grid_sample(image[None], grid[None, None], align_corners=False)[0, :, 0]


@dataclass(frozen=True)
class Sun:
    """Light from far away.

    Attributes:
        direction: Towards it, ``[3]``, of length 1.
        ambient: Brightness in shadow.
        strength: Brightness added where a surface faces the sun.
    """

    direction: Tensor
    ambient: float
    strength: float
