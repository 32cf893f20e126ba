"""`SyntheticConfig`: content of synthetic clips, with the range of every random parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from motes.common.values import numbers, whole, whole_array
from motes.errors import InputError

KINDS = ("mixed", "layers", "solids")

RANGES = {
    "layers": 0,
    "objects": 0,
    "movers": 0,
    "samples": 1,
    "speed": 1e-6,
    "radius": 1e-3,
    "mover_speed": 1e-6,
    "mover_radius": 1e-3,
}
"""Fields that are ranges, with their least allowed value."""

COUNTS = ("layers", "objects", "movers", "samples")
"""Ranges of whole numbers."""

SHARES = (
    "solids",
    "procedural",
    "repeated",
    "still",
    "ripple",
    "shutter",
    "light_changes",
    "defocus",
    "video_coding",
    "foreground",
)
"""Fields that are numbers in 0..1."""


@dataclass(frozen=True)
class SyntheticConfig:
    """Content and appearance of generated clips.

    Lengths are fractions of the frame's side (the square root of its area) and speeds are such
    fractions per frame, so that clips look alike at every size and every number of frames.

    Attributes:
        frames: Number of frames T.
        size: Height and width of the frames in pixels.
        points: Number of tracks N.
        kind: ``"layers"`` (flat shapes that move and bend in front of each other), ``"solids"``
            (a ray-cast 3-D world), or ``"mixed"`` (each clip is one of the two).
        solids: Share of 3-D clips, with kind ``"mixed"``.
        textures: Folder of photographs, searched recursively; None uses procedural textures.
        procedural: Share of procedural textures, when there are photographs.
        repeated: Share of textures that repeat one cell: tiles, dots, printed boards, facades.
        still: Share of layered clips in which camera, background and shapes are at rest; movers
            are not.
        layers: Least and largest number of shapes in front of the background.
        movers: Least and largest number of small shapes in front of all others in layered clips.
            They move quickly and irregularly, with pauses, like flies or animals from afar.
        mover_speed: Least and largest speed of a mover.
        mover_radius: Least and largest half-size of a mover.
        objects: Least and largest number of moving objects in a 3-D world.
        speed: Least and largest typical speed of a clip (log-uniform).
        radius: Least and largest half-size of a shape.
        ripple: Share of the shapes that bend.
        shutter: Largest exposure time, in frames; 0: no motion blur.
        samples: Least and largest number of images averaged per frame, over the exposure and
            over the pixel; more where motion blur is longer.
        lighting: Whether to add shading, shadows and changes of brightness.
        effects: Whether to add camera effects: drift of exposure and colour, blur, noise and
            compression.
        light_changes: Share of clips in which light is switched, flickers, or a soft shadow passes.
        defocus: Share of clips whose focus comes and goes.
        video_coding: Share of clips that are coded and decoded as H.264 of low quality.
        foreground: Preference for small surfaces when tracks are chosen: 0: in proportion to the
            visible area, 1: the same number on every surface.

    Example:
        >>> from motes.synthetic import SyntheticConfig
        >>> config = SyntheticConfig(frames=8, size=(64, 64), points=16, kind="layers")
        >>> config.kind
        'layers'
    """

    frames: int = 24
    size: tuple[int, int] = (256, 256)
    points: int = 256
    kind: str = "mixed"
    solids: float = 0.5
    textures: str | None = None
    procedural: float = 0.25
    repeated: float = 0.0
    still: float = 0.0
    layers: tuple[int, int] = (3, 12)
    movers: tuple[int, int] = (0, 0)
    mover_speed: tuple[float, float] = (0.004, 0.05)
    mover_radius: tuple[float, float] = (0.015, 0.07)
    objects: tuple[int, int] = (3, 10)
    speed: tuple[float, float] = (0.005, 0.08)
    radius: tuple[float, float] = (0.07, 0.45)
    ripple: float = 0.4
    shutter: float = 0.7
    samples: tuple[int, int] = (2, 5)
    lighting: bool = True
    effects: bool = True
    light_changes: float = 0.0
    defocus: float = 0.0
    video_coding: float = 0.0
    foreground: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.textures is not None and not isinstance(self.textures, str | PathLike):
            raise InputError(f"textures: expected a folder or None, got {self.textures!r}")
        if _numbers("size", self.size, (2,), whole_array).min() < 32:
            raise InputError(f"size: expected at least 32x32 pixels, got {self.size}")
        for name in ("frames", "points"):
            if whole(name, getattr(self, name)) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name, least in RANGES.items():
            kind = whole_array if name in COUNTS else numbers
            low, high = _numbers(name, getattr(self, name), (2,), kind)
            if not least <= low <= high < math.inf:
                got = getattr(self, name)
                raise InputError(f"{name}: expected {least} <= low <= high, got {got}")
        for name in SHARES:
            value = getattr(self, name)
            if not 0 <= _numbers(name, value, (), numbers) <= 1:
                raise InputError(f"{name}: expected a number in 0..1, got {value}")

    @property
    def side(self) -> float:
        """Unit of length in pixels: the square root of the frame's area."""
        return float((self.size[0] * self.size[1]) ** 0.5)


def _numbers(
    name: str, value: Any, shape: tuple[int, ...], kind: Callable[[str, Any], np.ndarray]
) -> np.ndarray:
    """Two numbers or one, as `motes.common.values` checks them."""
    array = kind(name, value)
    if array.shape != shape:
        raise InputError(f"{name}: expected {'two numbers' if shape else 'a number'}, got {value}")
    return array
