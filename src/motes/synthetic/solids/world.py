"""3-D scenes: bodies under a sun, seen by a moving camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from motes.synthetic.scene import Located, Points
from motes.synthetic.solids.bodies import Body, Sun
from motes.synthetic.solids.casting import Picture, local_rays
from motes.synthetic.solids.primitives import intersect
from motes.synthetic.solids.rigid import NEAREST, Eye


@dataclass(frozen=True)
class World:
    """Bodies, a camera and a light.

    Attributes:
        bodies: The first one surrounds everything, so that every ray has an intersection.
        eye: The camera.
        size: Height and width of the frames.
        sun: The light; None: textures without shading.
    """

    bodies: tuple[Body, ...]
    eye: Eye
    size: tuple[int, int]
    sun: Sun | None = None

    def render(self, times: Tensor, offset: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """Cast, shade and paint; see `Scene.render`."""
        poses = [body.motion.at(times) for body in self.bodies]
        view = self.eye.at(times)
        return Picture(self.bodies, poses, view, self.size, offset, self.sun).render()

    def cast(self, times: Tensor, xy: Tensor) -> tuple[Tensor, Points]:
        """Depths ``[T, m]`` and the T*m points seen at pixels ``[T, m, 2]``, in float64."""
        view = self.eye.at(times)
        x, y = xy[:, None, :, 0], xy[:, None, :, 1]
        depth = torch.full_like(x, math.inf)
        surface, local = torch.full(x.shape, -1), torch.zeros(*x.shape, 3, dtype=torch.float64)
        for index, body in enumerate(self.bodies):
            rays = local_rays(body, body.motion.at(times), view, x, y)
            length = intersect(body.kind, rays.origin, rays.direction)
            closer = length < depth
            depth = torch.where(closer, length, depth)
            surface[closer] = index
            local[closer] = torch.stack(rays.at(length), -1)[closer]
        return depth[:, 0], Points(surface.flatten(), local.flatten(0, 2))

    def pick(self, times: Tensor, xy: Tensor) -> Points:
        """See `Scene.pick`."""
        return self.cast(times, xy)[1]

    def locate(self, points: Points, times: Tensor) -> Located:
        """See `Scene.locate`; a point is hidden if its ray intersects a body in front of it."""
        view = self.eye.at(times)
        world = torch.zeros(len(times), len(points.surface), 3, dtype=torch.float64)
        for index, body in enumerate(self.bodies):
            on_body = points.surface == index
            pose = body.motion.at(times)
            local = points.local[on_body] * body.half
            world[:, on_body] = local @ pose.rotation.mT + pose.position[:, None]
        xy, depth = view.project(world)
        valid = depth > NEAREST
        seen, _ = self.cast(times, xy)
        return Located(xy, valid & (seen > depth * (1 - 1e-6)), valid)
