"""Scenes in space: bodies under a sun, seen by ray casting.

Rays are counted per unit of depth along the camera's axis, so the length at which a ray meets a
body is that body's depth, and the nearest length is what is seen.  Each body is cast only in the
window of the frame that it can touch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.data.synthetic.rigid import Eye, Motion, Pose, View
from motes.data.synthetic.scene import Located, Points
from motes.data.synthetic.solids import FACES, Vector, meet, normal, unfold

NEAREST = 0.05
"""Depth in front of the camera from which points count as seen."""

LEVELS = (1, 3, 9)
"""Texels per pixel for which a texture is kept in a size of its own; see `Body.images`."""


@dataclass(frozen=True)
class Body:
    """One surface.

    Attributes:
        kind: See `solids`.
        half: Half-sizes ``[3]``: the scale of the unit frame.
        motion: How it moves.
        images: Its textures side by side, float32 ``[3, S, S * faces]``, and the same in sizes
            reduced by `LEVELS`.
        detail: Texels of the first per unit of length.
        gloss: Strength of the highlight.
        lit: Whether light matters (it does not for a sky).
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
        """Radius of a ball around the centre that holds the body; infinite for surroundings."""
        if self.kind in ("plane", "dome", "room"):
            return math.inf
        return float(self.half.max() if self.kind == "ball" else self.half.norm())

    def sample(self, local: Vector, footprint: Tensor) -> Tensor:
        """Colours ``[3, M]`` at points of the unit frame, each seen with so many texels a pixel."""
        u, v, face = unfold(self.kind, local)
        colour = self._look_up(0, u, v, face)
        level = torch.log(footprint.clamp_min(1)) / math.log(LEVELS[1] / LEVELS[0])
        for k in range(1, min(len(LEVELS), 1 + math.ceil(float(level.amax())))):
            softer = self._look_up(k, u, v, face)
            colour = torch.lerp(colour, softer, (level - (k - 1)).clamp_(0, 1))
        return colour

    def _look_up(self, level: int, u: Tensor, v: Tensor, face: Tensor) -> Tensor:
        """Bilinear between the centres of a face's texels, never across to the next face."""
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
        ambient: Brightness of what it does not reach.
        strength: Brightness that it adds to what faces it.
    """

    direction: Tensor
    ambient: float
    strength: float


@dataclass(frozen=True)
class Window:
    """The same number of rows and columns in each of t consecutive frames.

    Attributes:
        frames: Which frames.
        top: First row in each, int64 ``[t]``.
        left: First column in each, int64 ``[t]``.
        size: Rows and columns.
    """

    frames: slice
    top: Tensor
    left: Tensor
    size: tuple[int, int]

    def pixels(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Columns ``[t, 1, w]`` and rows ``[t, h, 1]``."""
        h, w = self.size
        x = self.left.to(device)[:, None, None] + torch.arange(w, device=device)
        y = self.top.to(device)[:, None, None] + torch.arange(h, device=device)[:, None]
        return x, y


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
        """The points ``[t, h, w]`` so far along."""
        x, y, z = (o + length * d for o, d in zip(self.origin, self.direction, strict=True))
        return x, y, z

    def select(self, places: Tensor) -> Rays:
        """The rays at flat places, as vectors of ``[M]``."""
        x, y, z = (part.take(places) for part in self.direction)
        h, w = self.direction[0].shape[1:]
        return Rays(_select(self.origin, places, (h, w)), (x, y, z))


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


@dataclass(frozen=True)
class World:
    """Bodies, a camera and a light.

    Attributes:
        bodies: The first one surrounds everything, so that every ray ends.
        eye: The camera.
        size: Height and width of the frames.
        sun: The light; None for textures as they are.
    """

    bodies: tuple[Body, ...]
    eye: Eye
    size: tuple[int, int]
    sun: Sun | None = None

    def render(self, times: Tensor, offset: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """Cast, shade and paint; see `Scene.render`."""
        return _Picture(self, times, offset).render()

    def cast(self, times: Tensor, xy: Tensor) -> tuple[Tensor, Points]:
        """Depths ``[T, m]`` and the T*m points seen at pixels ``[T, m, 2]``, in float64."""
        view = self.eye.at(times)
        x, y = xy[:, None, :, 0], xy[:, None, :, 1]
        depth = torch.full_like(x, math.inf)
        surface, local = torch.full(x.shape, -1), torch.zeros(*x.shape, 3, dtype=torch.float64)
        for index, body in enumerate(self.bodies):
            rays = local_rays(body, body.motion.at(times), view, x, y)
            length = meet(body.kind, rays.origin, rays.direction)
            closer = length < depth
            depth = torch.where(closer, length, depth)
            surface[closer] = index
            local[closer] = torch.stack(rays.at(length), -1)[closer]
        return depth[:, 0], Points(surface.flatten(), local.flatten(0, 2))

    def pick(self, times: Tensor, xy: Tensor) -> Points:
        """See `Scene.pick`."""
        return self.cast(times, xy)[1]

    def locate(self, points: Points, times: Tensor) -> Located:
        """See `Scene.locate`; a point is hidden when its ray ends before it."""
        view = self.eye.at(times)
        world = torch.zeros(len(times), len(points.surface), 3, dtype=torch.float64)
        for index, body in enumerate(self.bodies):
            own = points.surface == index
            pose = body.motion.at(times)
            local = points.local[own] * body.half
            world[:, own] = local @ pose.rotation.mT + pose.position[:, None]
        xy, depth = view.project(world)
        valid = depth > NEAREST
        seen, _ = self.cast(times, xy)
        return Located(xy, valid & (seen > depth * (1 - 1e-6)), valid)


class _Picture:
    """One rendering: buffers of all pixels of all frames, filled body by body."""

    def __init__(self, world: World, times: Tensor, offset: tuple[float, float]) -> None:
        self.world, self.offset = world, offset
        self.device = world.bodies[0].images[0].device
        self.exact = world.eye.at(times)
        self.view = self.exact.to(self.device)
        self.exact_poses = [body.motion.at(times) for body in world.bodies]
        self.poses = [
            Pose(*(part.to(self.device, torch.float32) for part in (p.rotation, p.position)))
            for p in self.exact_poses
        ]
        H, W = world.size
        self.frames = len(times)
        self.depth = torch.full((self.frames * H * W,), math.inf, device=self.device)
        self.surface = torch.zeros(len(self.depth), dtype=torch.uint8, device=self.device)
        self.light = torch.ones(len(self.depth) if world.sun else 0, device=self.device)
        self.colour = torch.zeros(3, len(self.depth), device=self.device)

    def render(self) -> Tensor:
        windows = [self._window_of(index) for index in range(len(self.world.bodies))]
        for index, window in enumerate(windows):
            if window is not None:
                self._cast(index, window)
        if self.world.sun is not None:
            for index in range(len(self.world.bodies)):
                self._shade(index, self.world.sun)
        for index, window in enumerate(windows):
            if window is not None:
                self._paint(index, window)
        return self.colour.view(3, self.frames, *self.world.size).transpose(0, 1)

    def _cast(self, index: int, window: Window) -> None:
        """Note where a body is nearest so far."""
        rays, pixels = self._rays(index, window)
        length = meet(self.world.bodies[index].kind, rays.origin, rays.direction)
        places = _places(length < self._read(self.depth, window, pixels))
        pixels = pixels.take(places)
        self.depth.scatter_(0, pixels, length.take(places))
        self.surface.index_fill_(0, pixels, index)

    def _shade(self, index: int, sun: Sun) -> None:
        """Take the sun from what lies in a body's shadow: where a ray to the sun meets it."""
        body = self.world.bodies[index]
        window = self._window_of_shadow(index, sun)
        if window is None or not body.lit:
            return
        rays, pixels = self._rays(index, window)
        towards = self._sun_in(index, sun, window.frames)
        length = meet(body.kind, rays.at(self._read(self.depth, window, pixels)), towards)
        dark = _places((length < math.inf) & (self.surface[pixels] != index))
        self.light.index_fill_(0, pixels.take(dark), 0.0)

    def _paint(self, index: int, window: Window) -> None:
        """Colour the pixels in which a body is seen."""
        body, sun = self.world.bodies[index], self.world.sun
        rays, pixels = self._rays(index, window)
        places = _places(self._read(self.surface, window, pixels) == index)
        if len(places) == 0:
            return
        rays, pixels = rays.select(places), pixels.take(places)
        depth = self.depth.take(pixels)
        local = rays.at(depth)
        outward = normal(body.kind, local)
        footprint = depth * body.detail / float(self.exact.focal.mean())
        footprint /= _facing(body, outward, rays.direction).clamp_min(0.02).sqrt_()
        colour = body.sample(local, footprint)
        if sun is not None and body.lit:
            towards = _select(self._sun_in(index, sun, window.frames), places, window.size)
            slope = _slope(body, outward, towards).mul_(self.light.take(pixels))
            colour *= sun.ambient + sun.strength * slope
            if body.gloss:
                colour += body.gloss * slope.pow(24)
        self.colour.scatter_(1, pixels.expand(3, -1), colour)

    def _rays(self, index: int, window: Window) -> tuple[Rays, Tensor]:
        """A body's rays in a window, and the places ``[t, h, w]`` of its pixels in the buffers."""
        H, W = self.world.size
        x, y = window.pixels(self.device)
        frames = torch.arange(window.frames.start, window.frames.stop, device=self.device)
        pixels = frames[:, None, None] * (H * W) + y * W + x
        pose, view, part = self.poses[index], self.view, window.frames
        rays = local_rays(
            self.world.bodies[index],
            Pose(pose.rotation[part], pose.position[part]),
            View(view.rotation[part], view.position[part], view.focal[part], view.centre),
            x + self.offset[0],
            y + self.offset[1],
        )
        return rays, pixels

    def _read(self, buffer: Tensor, window: Window, pixels: Tensor) -> Tensor:
        """A buffer in a window, ``[t, h, w]``, without a copy where that is all of it."""
        everything = pixels.numel() == buffer.numel()
        return buffer.view(-1, *window.size) if everything else buffer.take(pixels)

    def _sun_in(self, index: int, sun: Sun, frames: slice) -> Vector:
        """The direction to the sun in a body's unit frame, three tensors ``[t, 1, 1]``."""
        towards = sun.direction.to(self.view.position) @ self.poses[index].rotation[frames]
        towards = towards / self.world.bodies[index].half.to(towards)
        x, y, z = towards[..., None, None].unbind(1)
        return x, y, z

    def _window_of(self, index: int) -> Window | None:
        body = self.world.bodies[index]
        return self._window(self.exact_poses[index].position, body.reach)

    def _window_of_shadow(self, index: int, sun: Sun) -> Window | None:
        """Where a body's shadow on the ground may be; None for surroundings."""
        body = self.world.bodies[index]
        if math.isinf(body.reach):
            return None
        position, height = self.exact_poses[index].position, sun.direction[2]
        ground = position - sun.direction * (position[:, 2:] / height)
        return self._window(ground, body.reach / float(height))

    def _window(self, centre: Tensor, radius: float) -> Window | None:
        """The window that balls at ``[T, 3]`` can touch; None for no window."""
        H, W = self.world.size
        everything = torch.zeros(self.frames, dtype=torch.int64)
        if math.isinf(radius):
            return Window(slice(0, self.frames), everything, everything, (H, W))
        local = ((centre - self.exact.position)[:, None] @ self.exact.rotation)[:, 0]
        near, far = local[:, 2:] - radius, local[:, 2:] + radius
        slope = torch.stack(
            [(local[:, :2] + s) / z for s in (-radius, radius) for z in (near, far)]
        )
        low, high = (
            edge * self.exact.focal[:, None] + self.exact.centre
            for edge in (slope.amin(0), slope.amax(0))
        )
        limit = torch.tensor([W, H], dtype=torch.float64)
        around = near <= NEAREST  # the camera is inside, or next to it
        low = torch.where(around, torch.zeros_like(low), low.floor().clamp_min(0))
        high = torch.where(around, limit, (high.ceil() + 1).minimum(limit))
        touched = ((far > NEAREST) & (low < high)).all(-1).nonzero()
        if len(touched) == 0:
            return None
        frames = slice(int(touched[0]), int(touched[-1]) + 1)
        seen = torch.zeros(self.frames, 1, dtype=torch.bool)
        seen[touched[:, 0]] = True
        extent = torch.where(seen, high - low, torch.zeros_like(low))
        w, h = extent.amax(0).long().tolist()
        start = torch.where(seen, low, torch.zeros_like(low))[frames].long()
        left, top = start.minimum(torch.tensor([W - w, H - h])).unbind(-1)
        return Window(frames, top, left, (h, w))


def _places(mask: Tensor) -> Tensor:
    """Where a mask holds, in flat order."""
    return mask.flatten().nonzero()[:, 0]


def _select(vector: Vector, places: Tensor, size: tuple[int, int]) -> Vector:
    """One value per place, of values that are the same all over each frame's window."""
    frames = places // (size[0] * size[1])
    x, y, z = (part.flatten().index_select(0, frames) for part in vector)
    return x, y, z


def _facing(body: Body, outward: Vector, direction: Vector) -> Tensor:
    """Cosine between surface and ray, from 0 (grazing) to 1, both in the unit frame.

    A scaled frame scales directions and divides normals, so their product is as in the world.
    """
    half = body.half.tolist()
    across = _length(_scaled(outward, [1 / h for h in half]))
    along = _length(_scaled(direction, half))
    return _dot(outward, direction).abs().div_(across * along)


def _slope(body: Body, outward: Vector, towards: Vector) -> Tensor:
    """Cosine between surface and sun; nothing on the far side, except in a room."""
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
