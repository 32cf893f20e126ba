"""Simple bodies, and their intersections with rays.

Every body is defined in its unit frame: the ball of radius 1, the cube from -1 to 1, the
cylinder of radius 1 between z = -1 and 1, the plane z = 0.  Sizes come from scaling that frame, so
an ellipsoid is a ball.  Dome and room are a ball and a cube seen from inside.
Vectors are triples of tensors, which is faster than one tensor with an axis of 3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Vector = tuple[Tensor, Tensor, Tensor]

FACES = {"ball": 6, "box": 6, "cylinder": 3, "plane": 1, "dome": 1, "room": 6}
"""Number of textures of each kind of body."""


def intersect(kind: str, origin: Vector, direction: Vector) -> Tensor:
    """Length along each ray to the first intersection; infinity if there is none."""
    if kind == "plane":
        length = -origin[2] / direction[2]
        return torch.where(length > 0, length, math.inf)
    near, far = _interval(kind, origin, direction)
    length = far if kind in ("dome", "room") else near
    return torch.where((near < far) & (length > 0), length, math.inf)


def _interval(kind: str, origin: Vector, direction: Vector) -> tuple[Tensor, Tensor]:
    """Start and end of each ray inside the body; empty (near >= far) if it misses."""
    if kind in ("ball", "dome"):
        return _sphere(origin, direction)
    if kind in ("box", "room"):
        parts = [_slab(o, d) for o, d in zip(origin, direction, strict=True)]
    else:
        parts = [_sphere(origin[:2], direction[:2]), _slab(origin[2], direction[2])]
    near, far = parts[0]
    for low, high in parts[1:]:
        near, far = torch.maximum(near, low), torch.minimum(far, high)
    return near, far


def _slab(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Interval between -1 and 1 along one axis; a zero direction is replaced by 1e-20."""
    inverse = 1 / torch.where(direction == 0, 1e-20, direction)
    middle, half = -origin * inverse, inverse.abs()
    return middle - half, middle + half


def _sphere(origin: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Interval within distance 1 of the origin, in two or three dimensions.

    Computed from the point of closest approach: the usual discriminant cancels in float32.
    """
    pairs = list(zip(origin, direction, strict=True))
    square = sum((d * d for d in direction), torch.zeros(()).to(direction[0]))
    middle = sum((o * d for o, d in pairs), torch.zeros(()).to(square)) / -square
    apart = sum(((o + middle * d).square() for o, d in pairs), torch.zeros(()).to(square))
    half = ((1 - apart) / square).clamp_min(0).sqrt()
    return middle - half, middle + half


def normal(kind: str, local: Vector) -> Vector:
    """Outward normals in the unit frame, of any length."""
    x, y, z = local
    zero = torch.zeros_like(x)
    if kind == "plane":
        return zero, zero, torch.ones_like(x)
    if kind in ("ball", "dome"):
        return local
    if kind == "cylinder":
        cap = z.abs() > 0.99999 * torch.hypot(x, y)
        return torch.where(cap, zero, x), torch.where(cap, zero, y), torch.where(cap, z, zero)
    greatest = torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs())
    return tuple(torch.where(c.abs() == greatest, c, zero) for c in local)  # type: ignore[return-value]


def unfold(kind: str, local: Vector) -> tuple[Tensor, Tensor, Tensor]:
    """Texture coordinates: u and v in -1..1, and the number of the texture (see `FACES`)."""
    x, y, z = local
    if kind == "plane":
        return _mirrored(x), _mirrored(y), torch.zeros_like(x)
    if kind == "dome":
        return _mirrored(torch.atan2(y, x) * (2 / math.pi)), 1 - 2 * z, torch.zeros_like(x)
    if kind == "cylinder":
        cap = z.abs() > 0.99999 * torch.hypot(x, y)
        u = torch.where(cap, x, _mirrored(torch.atan2(y, x) * (2 / math.pi)))
        return u, torch.where(cap, y, -z), cap * (1 + (z > 0).to(x))
    return _cube(x, y, z)


def _cube(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Texture coordinates on a cube; textures are upright on the four walls."""
    a, b, c = x.abs(), y.abs(), z.abs()
    first, third = (a >= b) & (a >= c), (c > a) & (c > b)
    greatest = torch.maximum(torch.maximum(a, b), c)
    u = torch.where(first, y, x) / greatest
    v = torch.where(third, y, -z) / greatest
    sign = torch.where(first, x, torch.where(third, z, y)) > 0
    face = torch.where(first, 0.0, torch.where(third, 4.0, 2.0)).to(x)
    return u, v, face + sign


def _mirrored(value: Tensor) -> Tensor:
    """Mirror numbers periodically into -1..1."""
    return (torch.remainder(value - 1, 4) - 2).abs() - 1
