"""Images of bodies by ray casting, all frames of a clip together.

The unit of length along a ray is one unit of depth, so the length at which a ray intersects a body
is the depth of the intersection; the least depth is visible.  Rays for a body are cast only in the
window of the frame that it can cover.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from motes.synthetic.solids.bodies import Body, Sun
from motes.synthetic.solids.primitives import Vector, intersect, normal
from motes.synthetic.solids.rigid import Pose, View
from motes.synthetic.solids.windows import Window, around, everything

HIGHLIGHT = 24
"""Sharpness of highlights: the power of the cosine between surface and sun."""


@dataclass(frozen=True)
class Rays:
    """Rays in the unit frame of a body.

    Attributes:
        origin: Three tensors ``[t, 1, 1]``.
        direction: Three tensors ``[t, h, w]``, per unit of depth.
    """

    origin: Vector
    direction: Vector

    def at(self, length: Tensor) -> Vector:
        """Points ``[t, h, w]`` at these lengths."""
        x, y, z = (o + length * d for o, d in zip(self.origin, self.direction, strict=True))
        return x, y, z

    def select(self, indices: Tensor) -> Rays:
        """The rays at flat indices, as vectors of ``[M]``."""
        x, y, z = (part.take(indices) for part in self.direction)
        h, w = self.direction[0].shape[1:]
        return Rays(_select(self.origin, indices, (h, w)), (x, y, z))


def local_rays(body: Body, pose: Pose, view: View, x: Tensor, y: Tensor) -> Rays:
    """The rays through pixels (columns and rows that broadcast to ``[t, h, w]``)."""
    half = body.half.to(pose.position)
    across, down = view.rays(x, y)
    turn = pose.rotation.mT @ view.rotation / half[:, None]
    origin = ((view.position - pose.position)[:, None] @ pose.rotation)[:, 0] / half
    o = origin[..., None, None].unbind(1)
    m = turn[..., None, None]
    d = [m[:, i, 0] * across + (m[:, i, 1] * down + m[:, i, 2]) for i in range(3)]
    return Rays((o[0], o[1], o[2]), (d[0], d[1], d[2]))


class Picture:
    """One rendering: buffers of all pixels of all frames, filled body by body.

    Args:
        bodies: All bodies; the first one surrounds everything.
        poses: Pose of each body at T times, in float64.
        view: The camera at these times, in float64.
        size: Height and width of the frames.
        offset: Sub-pixel offset (x, y) of the rays from the pixel centres.
        sun: The light; None: textures without shading.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        poses: Sequence[Pose],
        view: View,
        size: tuple[int, int],
        offset: tuple[float, float],
        sun: Sun | None,
    ) -> None:
        self.bodies, self.size, self.offset, self.sun = bodies, size, offset, sun
        self.device = bodies[0].images[0].device
        self.exact_view, self.view = view, view.to(self.device)
        self.exact_poses, self.poses = poses, [pose.to(self.device) for pose in poses]
        self.frames = len(view.position)
        count = self.frames * size[0] * size[1]
        self.depth = torch.full((count,), math.inf, device=self.device)
        self.surface = torch.zeros(count, dtype=torch.int16, device=self.device)
        self.light = torch.ones(count if sun else 0, device=self.device)
        self.colour = torch.zeros(3, count, device=self.device)

    def render(self) -> Tensor:
        """The frames ``[T, 3, H, W]``."""
        windows = [(i, window) for i in range(len(self.bodies)) if (window := self._window(i))]
        for index, window in windows:
            self._cast(index, window)
        if self.sun is not None:
            for index in range(len(self.bodies)):
                self._shade(index, self.sun)
        for index, window in windows:
            self._paint(index, window)
        return self.colour.view(3, self.frames, *self.size).transpose(0, 1)

    def _cast(self, index: int, window: Window) -> None:
        """Update depth and surface where a body is nearer than the bodies before."""
        rays, pixels = self._rays(index, window)
        length = intersect(self.bodies[index].kind, rays.origin, rays.direction)
        indices = _indices(length < self._read(self.depth, window, pixels))
        pixels = pixels.take(indices)
        self.depth.scatter_(0, pixels, length.take(indices))
        self.surface.index_fill_(0, pixels, index)

    def _shade(self, index: int, sun: Sun) -> None:
        """Remove sunlight in the shadow of a body: where a ray to the sun intersects it."""
        body = self.bodies[index]
        window = self._window_of_shadow(index, sun)
        if window is None or not body.lit:
            return
        rays, pixels = self._rays(index, window)
        towards = self._sun_in(index, sun, window.frames)
        length = intersect(body.kind, rays.at(self._read(self.depth, window, pixels)), towards)
        dark = _indices((length < math.inf) & (self.surface[pixels] != index))
        self.light.index_fill_(0, pixels.take(dark), 0.0)

    def _paint(self, index: int, window: Window) -> None:
        """Colour the pixels in which a body is visible."""
        body = self.bodies[index]
        rays, pixels = self._rays(index, window)
        indices = _indices(self._read(self.surface, window, pixels) == index)
        if len(indices) == 0:
            return
        rays, pixels = rays.select(indices), pixels.take(indices)
        depth = self.depth.take(pixels)
        local = rays.at(depth)
        outward = normal(body.kind, local)
        footprint = depth * (body.detail / float(self.exact_view.focal.mean()))
        footprint /= _facing(body, outward, rays.direction).clamp_min(0.02).sqrt_()
        colour = body.sample(local, footprint)
        if self.sun is not None and body.lit:
            towards = _select(self._sun_in(index, self.sun, window.frames), indices, window.size)
            slope = _slope(body, outward, towards).mul_(self.light.take(pixels))
            colour *= self.sun.ambient + self.sun.strength * slope
            if body.gloss:
                colour += body.gloss * slope.pow(HIGHLIGHT)
        self.colour.scatter_(1, pixels.expand(3, -1), colour)

    def _rays(self, index: int, window: Window) -> tuple[Rays, Tensor]:
        """A body's rays in a window, and the indices ``[t, h, w]`` of its pixels in the buffers."""
        H, W = self.size
        x, y = window.pixels(self.device)
        frames = torch.arange(window.frames.start, window.frames.stop, device=self.device)
        pixels = frames[:, None, None] * (H * W) + y * W + x
        pose, view = self.poses[index][window.frames], self.view[window.frames]
        x, y = x + self.offset[0], y + self.offset[1]
        return local_rays(self.bodies[index], pose, view, x, y), pixels

    def _read(self, buffer: Tensor, window: Window, pixels: Tensor) -> Tensor:
        """A buffer in a window, ``[t, h, w]``; a view if the window is everything."""
        everything = pixels.numel() == buffer.numel()
        return buffer.view(-1, *window.size) if everything else buffer.take(pixels)

    def _sun_in(self, index: int, sun: Sun, frames: slice) -> Vector:
        """The direction to the sun in a body's unit frame, three tensors ``[t, 1, 1]``."""
        towards = sun.direction.to(self.view.position) @ self.poses[index].rotation[frames]
        towards = towards / self.bodies[index].half.to(towards)
        x, y, z = towards[..., None, None].unbind(1)
        return x, y, z

    def _window(self, index: int) -> Window | None:
        """Window in which a body may be visible."""
        body = self.bodies[index]
        if math.isinf(body.reach):
            return everything(self.frames, self.size)
        return around(self.exact_view, self.exact_poses[index].position, body.reach, self.size)

    def _window_of_shadow(self, index: int, sun: Sun) -> Window | None:
        """Window of a body's shadow on the ground; None for surroundings."""
        body = self.bodies[index]
        if math.isinf(body.reach):
            return None
        position, height = self.exact_poses[index].position, sun.direction[2]
        ground = position - sun.direction * (position[:, 2:] / height)
        return around(self.exact_view, ground, body.reach / float(height), self.size)


def _indices(mask: Tensor) -> Tensor:
    """Flat indices of the true elements of a mask."""
    return mask.flatten().nonzero()[:, 0]


def _select(vector: Vector, indices: Tensor, size: tuple[int, int]) -> Vector:
    """Values ``[t, 1, 1]``, one per frame, at flat indices into windows ``[t, h, w]``."""
    frames = indices // (size[0] * size[1])
    x, y, z = (part.flatten().index_select(0, frames) for part in vector)
    return x, y, z


def _facing(body: Body, outward: Vector, direction: Vector) -> Tensor:
    """Cosine between surface and ray, from 0 (grazing) to 1, both in the unit frame.

    Scaling multiplies directions and divides normals, so their dot product is that of the world.
    """
    half = body.half.tolist()
    across = _length(_scaled(outward, [1 / h for h in half]))
    along = _length(_scaled(direction, half))
    return _dot(outward, direction).abs().div_(across * along)


def _slope(body: Body, outward: Vector, towards: Vector) -> Tensor:
    """Cosine between surface and sun; 0 on the far side, except in a room."""
    across = _length(_scaled(outward, [1 / h for h in body.half.tolist()]))
    slope = _dot(outward, towards).div_(across)
    return slope.abs_() if body.kind == "room" else slope.clamp_min_(0)


def _scaled(vector: Vector, factors: list[float]) -> Vector:
    x, y, z = (part * factor for part, factor in zip(vector, factors, strict=True))
    return x, y, z


def _dot(one: Vector, other: Vector) -> Tensor:
    x, y, z = (a * b for a, b in zip(one, other, strict=True))
    return x + y + z


def _length(vector: Vector) -> Tensor:
    return _dot(vector, vector).sqrt_()
