"""Motion of a flat layer: a card that rotates in space and ripples, seen by a camera.

The map from the layer's plane (both axes in -1..1) to the screen is ``x + D(x) = H u``, with a
homography H and a ripple D that is a sum of a few waves across the screen.  Rendering computes u
for every x directly; for a point x follows from u by fixed-point iteration, to 1e-6 pixels.
Screen coordinates are pixels counted from the centre of the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from motes.synthetic.dice import Dice
from motes.synthetic.motion import Curve, Darts, Hops, still
from motes.synthetic.scene import homogeneous

VIEWING_DISTANCE = 3.0
"""Distance of the camera from a tilted card, in half-sizes; it sets the perspective."""

ITERATIONS = 32


@dataclass(frozen=True)
class Camera:
    """Motion of all layers: pan in pixels, zoom as a logarithm, roll in radians."""

    pan: Curve = field(default_factory=lambda: still(2))
    zoom: Curve = field(default_factory=still)
    roll: Curve = field(default_factory=still)

    def at(self, times: Tensor, nearness: float) -> Tensor:
        """Maps ``[T, 3, 3]`` for a layer; pan and zoom are multiplied by its nearness."""
        pan = self.pan.at(times) * nearness
        zoom = torch.exp(_bounded(self.zoom.at(times)[:, 0] * nearness, 1.0))
        return similarity(pan, zoom, self.roll.at(times)[:, 0])


@dataclass(frozen=True)
class Ripple:
    """Waves across a layer, in units of its half-size.

    Attributes:
        strength: Amplitudes ``[K, 2]``.
        wave: Radians per half-size, ``[K, 2]``.
        rate: Radians per frame, ``[K, 2]``: of the phase and of the amplitude.
        phase: Radians, ``[K, 2]``.
    """

    strength: Tensor
    wave: Tensor
    rate: Tensor
    phase: Tensor


@dataclass(frozen=True)
class Card:
    """Motion of one layer.

    Attributes:
        half_size: Half a side of the square plane in pixels, at scale 1.
        centre: Curve or path of 2 channels in pixels, counted from the centre of the frame.
        grow: Curve of the logarithm of the scale.
        roll: Curve in radians.
        tilt: Curve of 2 channels in radians, bounded by `max_tilt`.
        hops: Bounces, upwards.
        nearness: Factor on the camera's pan and zoom.
        ripple: Waves; None: a rigid card.
        max_tilt: Largest angle between card and screen.
    """

    half_size: float
    centre: Curve | Darts = field(default_factory=lambda: still(2))
    grow: Curve = field(default_factory=still)
    roll: Curve = field(default_factory=still)
    tilt: Curve = field(default_factory=lambda: still(2))
    hops: Hops = field(default_factory=Hops)
    nearness: float = 1.0
    ripple: Ripple | None = None
    max_tilt: float = 0.9

    def at(self, times: Tensor, camera: Camera) -> Placement:
        """The maps at the times ``[T]``."""
        up = torch.stack([torch.zeros_like(times), -self.hops.at(times)], -1)
        scale = self.half_size * torch.exp(_bounded(self.grow.at(times)[:, 0], 1.2))
        pose = similarity(self.centre.at(times) + up, scale, self.roll.at(times)[:, 0])
        matrix = camera.at(times, self.nearness) @ pose @ self._perspective(times)
        if self.ripple is None:
            return Placement(matrix)
        return Placement(matrix, _waves(self.ripple, times, matrix))

    def _perspective(self, times: Tensor) -> Tensor:
        """Perspective maps ``[T, 3, 3]`` of a card that is tilted about its axes."""
        a, b = _bounded(self.tilt.at(times), self.max_tilt).unbind(-1)
        zero, one = torch.zeros_like(a), torch.ones_like(a)
        rows = [
            [b.cos(), zero, zero],
            [a.sin() * b.sin(), a.cos(), zero],
            [-a.cos() * b.sin() / VIEWING_DISTANCE, a.sin() / VIEWING_DISTANCE, one],
        ]
        return torch.stack([torch.stack(row, -1) for row in rows], -2)


@dataclass(frozen=True)
class Waves:
    """A ripple on the screen at T times.

    Attributes:
        strength: Amplitudes in pixels, ``[T, K, 2]``.
        wave: Radians per pixel, ``[T, K, 2]``.
        phase: Radians, ``[T, K]``.
    """

    strength: Tensor
    wave: Tensor
    phase: Tensor

    def at(self, screen: Tensor) -> Tensor:
        """Displacement ``[T, N, 2]`` at points of the screen."""
        return torch.sin(screen @ self.wave.mT + self.phase[:, None]) @ self.strength

    def grid(self, x: Tensor, y: Tensor, frames: slice) -> Tensor:
        """`at` for all pixels of columns ``x [W]`` and rows ``y [H]``: ``[t, 2, H, W]``.

        A wave across the screen is a sum of products of waves along x and along y, so a matrix
        product replaces a sine per pixel.
        """
        strength, wave, phase = (
            part[frames].to(x.device, torch.float32)
            for part in (self.strength, self.wave, self.phase)
        )
        along = wave[..., 0, None] * x + phase[..., None]  # [t, K, W]
        down = wave[..., 1, None] * y  # [t, K, H]
        across = torch.cat([along.sin(), along.cos()], 1)[:, None]  # [t, 1, 2K, W]
        across = across * strength.repeat(1, 2, 1).mT[..., None]  # [t, 2, 2K, W]
        return torch.cat([down.cos(), down.sin()], 1).mT[:, None] @ across

    @property
    def reach(self) -> float:
        """Upper bound of the displacement, in pixels."""
        return float(self.strength.abs().sum(1).max())


@dataclass(frozen=True)
class Placement:
    """A layer's map from plane to screen at T times.

    Attributes:
        matrix: Homographies ``[T, 3, 3]``.
        waves: The ripple, if any.
    """

    matrix: Tensor
    waves: Waves | None = None

    @property
    def at_rest(self) -> bool:
        """Whether it is the same at all times."""
        return self.waves is None and bool((self.matrix == self.matrix[:1]).all())

    def to_screen(self, plane: Tensor) -> Tensor:
        """Screen ``[T, N, 2]`` of points of the plane, ``[1 or T, N, 2]``."""
        target = screen = homogeneous(self.matrix, plane)
        if self.waves is not None:
            for _ in range(ITERATIONS):  # each at least halves the error, see `draw_ripple`
                screen = target - self.waves.at(screen)
        return screen

    def to_plane(self, screen: Tensor) -> Tensor:
        """Points of the plane ``[T, N, 2]`` seen at the screen's points."""
        if self.waves is not None:
            screen = screen + self.waves.at(screen)
        return homogeneous(torch.linalg.inv(self.matrix), screen)

    def grid(self, x: Tensor, y: Tensor, frames: slice) -> Tensor:
        """`to_plane` in float32 for columns ``x [W]`` and rows ``y [H]``: ``[t, H, W, 2]``."""
        matrix = torch.linalg.inv(self.matrix[frames]).to(x.device, torch.float32)
        m = matrix[..., None, None]  # [t, 3, 3, 1, 1]
        across, down = x[None, None], y[None, :, None]
        if self.waves is not None:
            ripple = self.waves.grid(x, y, frames)
            across, down = across + ripple[:, 0], down + ripple[:, 1]
        u, v, w = (m[:, i, 0] * across + (m[:, i, 1] * down + m[:, i, 2]) for i in range(3))
        return torch.stack([u / w, v / w], -1)

    def extent(self, margin: float) -> tuple[Tensor, Tensor]:
        """Least and greatest screen coordinates of the plane's square, two ``[T, 2]``."""
        corners = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]]).to(self.matrix)
        corners = homogeneous(self.matrix, corners[None])
        margin += self.waves.reach if self.waves is not None else 0.0
        return corners.amin(1) - margin, corners.amax(1) + margin


def _waves(ripple: Ripple, times: Tensor, matrix: Tensor) -> Waves:
    """A ripple in pixels that moves and scales with the layer."""
    centre = matrix[:, :2, 2]
    scale = torch.linalg.det(matrix[:, :2, :2]).abs().sqrt()[:, None, None]
    wave = ripple.wave / scale
    swell = torch.sin(ripple.rate[:, 1] * times[:, None] + ripple.phase[:, 1])
    phase = ripple.rate[:, 0] * times[:, None] + ripple.phase[:, 0]
    phase = phase - (wave * centre[:, None]).sum(-1)
    return Waves(ripple.strength * scale * swell[..., None], wave, phase)


def draw_ripple(dice: Dice, vigour: float) -> Ripple:
    """Random waves whose slopes sum to at most a half, so that the map is invertible."""
    count = dice.integer(1, 4)
    wave = dice.normal(count, 2) * dice.scale(1.0, 3.5)
    strength = dice.normal(count, 2) * dice.scale(0.02, 0.15)
    slope = float((wave.norm(dim=1) * strength.norm(dim=1)).sum())
    strength = strength * min(1.0, 0.5 / slope)
    rate = dice.normal(count, 2) * (0.05 + 0.2 * vigour)
    return Ripple(strength, wave, rate, dice.uniform(0, math.tau, count, 2))


def similarity(shift: Tensor, scale: Tensor, angle: Tensor) -> Tensor:
    """Maps ``[T, 3, 3]`` that rotate, scale and then shift by ``[T, 2]``."""
    matrix = torch.zeros(len(shift), 3, 3, dtype=shift.dtype)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    matrix[:, 0, 0], matrix[:, 0, 1] = cosine, -sine
    matrix[:, 1, 0], matrix[:, 1, 1] = sine, cosine
    matrix[:, :2, 2], matrix[:, 2, 2] = shift, 1
    return matrix


def _bounded(value: Tensor, limit: float) -> Tensor:
    return limit * torch.tanh(value / limit)
