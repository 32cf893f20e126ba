"""Motion in space: rigid bodies that move, fall and bounce, and cameras.

The world's z axis points up; lengths are in arbitrary units (think metres), times in frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.synthetic.dice import Dice
from motes.synthetic.motion import Curve, still

NEAREST = 0.05
"""Least depth of visible points."""


@dataclass(frozen=True)
class Pose:
    """Position and orientation at T times: world = rotation @ local + position.

    Attributes:
        rotation: ``[T, 3, 3]``.
        position: ``[T, 3]``.
    """

    rotation: Tensor
    position: Tensor

    def __getitem__(self, frames: slice) -> Pose:
        """Select by time."""
        return Pose(self.rotation[frames], self.position[frames])

    def to(self, device: torch.device) -> Pose:
        """The pose in float32 on a device."""
        return Pose(*(p.to(device, torch.float32) for p in (self.rotation, self.position)))


class Motion(Protocol):
    """Motion of a body."""

    def at(self, times: Tensor) -> Pose:
        """Its pose at the times ``[T]``."""
        ...


@dataclass(frozen=True)
class Hover:
    """Free motion along smooth curves.

    Attributes:
        position: Curve of 3 channels.
        turn: Curve of 3 channels: axis times angle of a rotation that follows `rotation`.
        rotation: Orientation ``[3, 3]``.
    """

    position: Curve
    turn: Curve
    rotation: Tensor

    def at(self, times: Tensor) -> Pose:
        """See `Motion.at`."""
        return Pose(rotations(self.turn.at(times)) @ self.rotation, self.position.at(times))


@dataclass(frozen=True)
class Flight:
    """Throws, falls and bounces: parabolas with steady spin, joined at the contacts (K pieces).

    Attributes:
        start: Start time of each piece, ``[K]``, ascending; the first piece also holds before it.
        position: At the start of the piece, ``[K, 3]``.
        velocity: At the start of the piece, ``[K, 3]``.
        rotation: At the start of the piece, ``[K, 3, 3]``.
        spin: Axis times radians per frame, ``[K, 3]``.
        gravity: Downward acceleration of each piece (0 at rest), ``[K]``.
    """

    start: Tensor
    position: Tensor
    velocity: Tensor
    rotation: Tensor
    spin: Tensor
    gravity: Tensor

    def at(self, times: Tensor) -> Pose:
        """See `Motion.at`."""
        k = (torch.searchsorted(self.start, times, right=True) - 1).clamp_min(0)
        elapsed = (times - self.start[k])[:, None]
        position = self.position[k] + self.velocity[k] * elapsed
        position[:, 2] -= self.gravity[k] * elapsed[:, 0].square() / 2
        return Pose(rotations(self.spin[k] * elapsed) @ self.rotation[k], position)


@dataclass(frozen=True)
class Piece:
    """One parabola of a `Flight`: the same fields, for one piece."""

    start: float
    position: Tensor
    velocity: Tensor
    rotation: Tensor
    spin: Tensor
    gravity: float

    def touch(self, dice: Dice, floor: float, bounce: float, grip: float) -> Piece:
        """The piece after contact with the floor: a lower parabola, or rest.

        Args:
            dice: Random numbers of the clip; they give the new spin.
            floor: Height of the centre at contact.
            bounce: Share of the vertical speed that remains.
            grip: Share of the speed along the floor that remains.
        """
        rise, above = float(self.velocity[2]), float(self.position[2]) - floor
        fall = math.sqrt(max(rise**2 + 2 * self.gravity * above, 0.0))
        elapsed = (rise + fall) / self.gravity
        position = self.position + self.velocity * elapsed
        position[2] = floor
        rotation = rotations(self.spin[None] * elapsed)[0] @ self.rotation
        time, rest = self.start + elapsed, torch.zeros_like(position)
        if fall * bounce <= 2 * self.gravity:
            return Piece(time, position, rest, rotation, rest, 0.0)
        velocity = self.velocity * grip
        velocity[2] = fall * bounce
        spin = dice.normal(3) * self.spin.norm() * grip * 0.6
        return Piece(time, position, velocity, rotation, spin, self.gravity)


def throw(dice: Dice, first: Piece, floor: float, frames: int) -> Flight:
    """A flight with bounces on a floor.

    Args:
        dice: Random numbers of the clip.
        first: The first piece; not below the floor.
        floor: Height of the centre at contact.
        frames: Time after which no bounces are added.
    """
    bounce, grip = dice.number(0.2, 0.8), dice.number(0.5, 0.95)
    pieces = [first]
    while pieces[-1].gravity and pieces[-1].start <= frames:
        pieces.append(pieces[-1].touch(dice, floor, bounce, grip))
    return Flight(
        start=torch.tensor([p.start for p in pieces], dtype=torch.float64),
        position=torch.stack([p.position for p in pieces]),
        velocity=torch.stack([p.velocity for p in pieces]),
        rotation=torch.stack([p.rotation for p in pieces]),
        spin=torch.stack([p.spin for p in pieces]),
        gravity=torch.tensor([p.gravity for p in pieces], dtype=torch.float64),
    )


@dataclass(frozen=True)
class View:
    """A pinhole camera at T times.

    Attributes:
        rotation: ``[T, 3, 3]``; its columns are the camera's right, down and forward.
        position: ``[T, 3]``.
        focal: Focal length in pixels, ``[T]``.
        centre: Principal point in pixels, ``[2]``.
    """

    rotation: Tensor
    position: Tensor
    focal: Tensor
    centre: Tensor

    def project(self, world: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels ``[T, N, 2]`` and depths ``[T, N]`` of points ``[T, N, 3]``."""
        local = (world - self.position[:, None]) @ self.rotation
        depth = local[..., 2]
        safe = torch.where(depth.abs() < 1e-6, torch.full_like(depth, 1e-6), depth)
        return self.focal[:, None, None] * local[..., :2] / safe[..., None] + self.centre, depth

    def rays(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes of the rays through pixels ``[T, h, w]`` (or broadcastable), per unit of depth."""
        focal = self.focal[:, None, None]
        return (x - self.centre[0]) / focal, (y - self.centre[1]) / focal

    def __getitem__(self, frames: slice) -> View:
        """Select by time."""
        return View(self.rotation[frames], self.position[frames], self.focal[frames], self.centre)

    def to(self, device: torch.device) -> View:
        """The view in float32 on a device."""
        parts = (self.rotation, self.position, self.focal, self.centre)
        return View(*(part.to(device, torch.float32) for part in parts))


@dataclass(frozen=True)
class Eye:
    """Motion of a camera.

    Attributes:
        position: Curve of 3 channels.
        aim: Curve of 3 channels: the point that the camera faces, or with `ahead` the direction.
        focal: Focal length in pixels.
        centre: Principal point in pixels, ``[2]``.
        ahead: Whether `aim` is a direction.
        zoom: Curve of the logarithm of the magnification.
        tremble: Curve of 3 channels: shake as axis times angle, in camera axes.
        bounds: The position stays within these distances of the origin, ``[3]``.
        floor: The position stays above this height.
    """

    position: Curve
    aim: Curve
    focal: float
    centre: Tensor
    ahead: bool = False
    zoom: Curve = field(default_factory=still)
    tremble: Curve = field(default_factory=lambda: still(3))
    bounds: tuple[float, float, float] = (30.0, 30.0, 20.0)
    floor: float = 0.3

    def at(self, times: Tensor) -> View:
        """The camera at the times ``[T]``."""
        limit = torch.tensor(self.bounds, dtype=torch.float64)
        position = limit * torch.tanh(self.position.at(times) / limit)
        height = F.softplus(position[:, 2] - self.floor, beta=8) + self.floor
        position = torch.cat([position[:, :2], height[:, None]], 1)
        forward = self.aim.at(times) if self.ahead else self.aim.at(times) - position
        rotation = facing(forward) @ rotations(self.tremble.at(times))
        zoom = torch.exp(0.7 * torch.tanh(self.zoom.at(times)[:, 0] / 0.7))
        return View(rotation, position, self.focal * zoom, self.centre)


def facing(forward: Tensor) -> Tensor:
    """Camera rotations ``[T, 3, 3]`` (right, down, forward) that face ``[T, 3]`` without roll."""
    forward = F.normalize(forward, dim=-1)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=forward.dtype).expand_as(forward)
    right = F.normalize(torch.linalg.cross(forward, up), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], -1)


def rotations(turn: Tensor) -> Tensor:
    """Rotation matrices ``[T, 3, 3]`` of axes times angles ``[T, 3]`` (Rodrigues' formula)."""
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return torch.linalg.matrix_exp(cross)


def random_rotation(dice: Dice) -> Tensor:
    """A uniformly distributed rotation ``[3, 3]``."""
    q, r = torch.linalg.qr(dice.normal(3, 3))
    q = q * r.diagonal().sign()
    return q * q.det().sign()
