"""Worlds: bodies against independent geometry, projection against OpenCV, colours and depth."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from motes.synthetic.config import SyntheticConfig
from motes.synthetic.dice import Dice
from motes.synthetic.engine import choose_points, draw_scene, expose
from motes.synthetic.scene import Points
from motes.synthetic.solids.bodies import LEVELS, Body
from motes.synthetic.solids.primitives import FACES, intersect, normal, unfold
from motes.synthetic.solids.rigid import Piece, rotations, throw
from motes.synthetic.solids.stage import _reduced
from motes.synthetic.solids.world import World
from motes.synthetic.textures import Textures

PLAIN = SyntheticConfig(
    kind="solids",
    frames=6,
    size=(96, 128),
    points=200,
    speed=(0.003, 0.06),
    lighting=False,
    effects=False,
)
TIMES = torch.arange(PLAIN.frames, dtype=torch.float64)
CLOSED = ("ball", "box", "cylinder")
SEEDS = range(6)


def scene(seed: int, config: SyntheticConfig = PLAIN) -> tuple[World, Dice]:
    dice = Dice(seed)
    drawn = draw_scene(config, dice, Textures(), torch.device("cpu"))
    assert isinstance(drawn, World)
    return drawn, dice


def parts(vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(vectors.unbind(-1))


def level(kind: str, p: torch.Tensor) -> torch.Tensor:
    """Negative inside of a unit body, positive outside: the definition of its shape."""
    if kind == "ball":
        return p.norm(dim=-1) - 1
    if kind == "box":
        return p.abs().amax(-1) - 1
    return torch.maximum(p[..., :2].norm(dim=-1), p[..., 2].abs()) - 1


@pytest.mark.parametrize("kind", CLOSED)
def test_rays_end_at_the_first_intersection(kind):
    """Compared with marching along the ray in small steps."""
    generator = torch.Generator().manual_seed(0)
    origin = F.normalize(torch.randn(400, 3, generator=generator, dtype=torch.float64), dim=-1) * 4
    aim = torch.randn(400, 3, generator=generator, dtype=torch.float64)
    direction = F.normalize(aim - origin, dim=-1)
    length = intersect(kind, parts(origin), parts(direction))
    steps = torch.linspace(0, 8, 4001, dtype=torch.float64)
    within = level(kind, origin[:, None] + steps[:, None] * direction[:, None]) < 0
    hit = within.any(-1)
    assert 50 < hit.sum() < 400
    first = steps[within.int().argmax(-1)]
    assert ((length - first).abs() < 0.0021)[hit].all()
    grazing = level(kind, origin[:, None] + steps[:, None] * direction[:, None]).amin(-1) < 0.005
    assert length[~hit & ~grazing].isinf().all()


def test_a_ray_parallel_to_an_axis_intersects_the_walls_of_a_room():
    """It divides by zero, in a middle that is zero too for an origin on the axis."""
    origin = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, -0.25]])
    direction = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert intersect("room", parts(origin), parts(direction)).tolist() == [1.0, 1.25]
    outside = torch.tensor([[-3.0, 0.0, 0.0], [-3.0, 2.0, 0.0]])
    assert intersect("box", parts(outside), parts(direction[[0, 0]])).tolist() == [2.0, math.inf]


@pytest.mark.parametrize("kind", CLOSED)
def test_normals_are_gradients_of_the_shape(kind):
    generator = torch.Generator().manual_seed(1)
    origin = F.normalize(torch.randn(200, 3, generator=generator, dtype=torch.float64), dim=-1) * 4
    direction = -origin + 0.3 * torch.randn(200, 3, generator=generator, dtype=torch.float64)
    length = intersect(kind, parts(origin), parts(direction))
    hit = length.isfinite()
    point = (origin + length[:, None] * direction)[hit]
    outward = F.normalize(torch.stack(normal(kind, parts(point)), -1), dim=-1)
    assert (level(kind, point + 1e-4 * outward) > 0.9e-4).all()
    assert (level(kind, point - 1e-4 * outward) < -0.9e-4).all()


@pytest.mark.parametrize("kind", FACES)
def test_unfolding_stays_on_the_textures(kind):
    points = torch.randn(1000, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    if kind != "plane":
        points = points / (1 + level("ball" if kind == "dome" else kind, points))[:, None]
    if kind == "dome":
        points[:, 2].abs_()
    u, v, face = unfold(kind, parts(points))
    assert u.abs().max() <= 1 + 1e-9 and v.abs().max() <= 1 + 1e-9
    assert set(face.long().tolist()) == set(range(FACES[kind]))


def test_rotations_are_those_of_opencv():
    turns = Dice(3).normal(20, 3)
    expected = np.stack([cv2.Rodrigues(turn)[0] for turn in turns.numpy()])
    np.testing.assert_allclose(rotations(turns).numpy(), expected, atol=1e-12)


def test_flight_falls_bounces_and_comes_to_rest():
    start = torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64)
    velocity = torch.tensor([0.1, 0.0, 0.2], dtype=torch.float64)
    first = Piece(0.0, start, velocity, torch.eye(3).double(), torch.zeros(3).double(), 0.1)
    flight = throw(Dice(0), first, floor=0.5, frames=400)
    times = torch.linspace(0, 400, 4001, dtype=torch.float64)
    height = flight.at(times).position[:, 2]
    assert height.min() > 0.5 - 1e-9
    assert (height[1:] - height[:-1]).abs().max() < 0.1  # no jumps
    early = times < 5
    torch.testing.assert_close(height[early], 3 + 0.2 * times[early] - 0.05 * times[early] ** 2)
    assert len(flight.start) > 2
    assert (height[-100:] == 0.5).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_projection_agrees_with_opencv(seed):
    drawn, dice = scene(seed)
    points = choose_points(PLAIN, dice, drawn, TIMES)
    found = drawn.locate(points, TIMES)
    view = drawn.eye.at(TIMES)
    for t in range(len(TIMES)):
        rotation = view.rotation[t].T.numpy()
        camera = np.eye(3)
        camera[:2, 2] = view.centre
        camera[0, 0] = camera[1, 1] = view.focal[t]
        for index, body in enumerate(drawn.bodies):
            own = (points.surface == index) & found.valid[t]
            if not own.any():
                continue
            pose = body.motion.at(TIMES[t : t + 1])
            world = pose.rotation[0].numpy() @ (points.local[own] * body.half).numpy().T
            world = world.T + pose.position[0].numpy()
            shift = -rotation @ view.position[t].numpy()
            expected, _ = cv2.projectPoints(world, cv2.Rodrigues(rotation)[0], shift, camera, None)
            np.testing.assert_allclose(found.xy[t, own].numpy(), expected[:, 0], atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_colour_along_a_track_is_that_of_its_texture(seed):
    """Faces are painted with their own coordinates: a wrong position gives a wrong colour."""
    drawn, dice = scene(seed)
    points = choose_points(PLAIN, dice, drawn, TIMES)
    found = drawn.locate(points, TIMES)
    bodies = tuple(painted(index, body) for index, body in enumerate(drawn.bodies))
    pictures = expose(replace(drawn, bodies=bodies), TIMES, samples=3)
    grid = ((2 * found.xy + 1) / torch.tensor(drawn.size[::-1]) - 1)[:, None].float()
    seen = F.grid_sample(pictures, grid, align_corners=False)[:, :, 0].mT
    spread = F.grid_sample(spreads(pictures), grid, mode="nearest", align_corners=False)
    spread = spread[:, :, 0].mT.double()
    sides = torch.tensor(drawn.size[::-1])
    clear = found.visible & ((found.xy >= 0) & (found.xy <= sides - 1)).all(-1)
    clear &= spread[..., 2] < 1e-3  # nothing but this face around
    depth = drawn.cast(TIMES, found.xy)[0]
    focal = drawn.eye.at(TIMES).focal[:, None]
    checked = 0
    for index, body in enumerate(drawn.bodies):
        u, v, face = unfold(body.kind, parts(points.local))
        pixels = focal / depth * float(body.half.max())  # on the screen per unit of u
        unfolded = torch.maximum(u.abs(), v.abs()) < 0.9  # and not where it is mirrored
        bend = spread[..., :2].amax(-1) * pixels  # that a pixel and those around it span
        own = clear & (bend < 4) & unfolded & (points.surface == index) & (pixels > 15)
        error = torch.hypot(seen[..., 0] - u, seen[..., 1] - v) * pixels
        assert (error < 0.05 + 0.05 * bend)[own].all(), body.kind
        assert own.sum() == 0 or error[own].mean() < 0.02
        assert (seen[..., 2] - 10 * index - face)[own].abs().lt(1e-3).all()
        checked += int(own.sum())
    assert checked > 30


def painted(index: int, body: Body) -> Body:
    """Red and green are u and v, blue is a code of body and face."""
    axis = torch.linspace(-1, 1, 64)
    faces = [
        torch.stack([axis.expand(64, 64), axis[:, None].expand(64, 64), torch.full((64, 64), code)])
        for code in 10.0 * index + torch.arange(FACES[body.kind])
    ]
    return replace(body, images=(torch.cat(faces, -1),) * 3)


def spreads(pictures: torch.Tensor) -> torch.Tensor:
    """How much each pixel and those around it differ."""
    return F.max_pool2d(pictures, 3, 1, 1) + F.max_pool2d(-pictures, 3, 1, 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_visibility_agrees_with_marching_along_the_ray(seed):
    """Hidden means: something solid lies between the camera and the point."""
    drawn, dice = scene(seed)
    points = choose_points(PLAIN, dice, drawn, TIMES)
    found = drawn.locate(points, TIMES)
    eye = drawn.eye.at(TIMES).position
    steps = torch.linspace(0.01, 0.999, 600, dtype=torch.float64)[:, None]
    hidden, unclear = torch.zeros(2, *found.visible.shape, dtype=torch.bool)
    for index, body in enumerate(drawn.bodies):
        pose = body.motion.at(TIMES)
        start = ((eye - pose.position)[:, None] @ pose.rotation / body.half)[:, :, None]
        end = world_of(drawn, points) - pose.position[:, None]
        end = (end @ pose.rotation / body.half)[:, :, None]
        way = start + steps * (end - start)
        if body.kind in ("dome", "room"):  # hides what is outside of it
            highest = level("ball" if body.kind == "dome" else "box", way).amax(-1)
            hidden |= highest > 0
            unclear |= (points.surface != index) & (highest.abs() < 0.003)
            continue
        lowest = (way[..., 2] if body.kind == "plane" else level(body.kind, way)).amin(-1)
        own = points.surface == index
        turned = away(body.kind, parts(points.local), (start - end)[:, :, 0])
        hidden |= torch.where(own, turned > 0, lowest < -0.03)
        unclear |= torch.where(own, turned.abs() < 1e-3, lowest.abs() < 0.03)
    sure = found.valid & ~unclear
    assert sure.float().mean() > 0.5
    assert (found.visible == ~hidden)[sure].all()


def away(kind: str, local: tuple[torch.Tensor, ...], towards: torch.Tensor) -> torch.Tensor:
    """Cosine between the inward normal and the direction to the camera: positive on the far side."""
    outward = F.normalize(torch.stack(normal(kind, local), -1), dim=-1)
    return -(outward * F.normalize(towards, dim=-1)).sum(-1)


def world_of(drawn: World, points: Points) -> torch.Tensor:
    """Positions of points in the world, ``[T, N, 3]``."""
    world = torch.zeros(len(TIMES), len(points.surface), 3, dtype=torch.float64)
    for index, body in enumerate(drawn.bodies):
        own, pose = points.surface == index, body.motion.at(TIMES)
        local = points.local[own] * body.half
        world[:, own] = torch.einsum("tij,nj->tni", pose.rotation, local) + pose.position[:, None]
    return world


@pytest.mark.parametrize("texels", [90, 100])
@pytest.mark.parametrize("footprint", [1.0, 2.0, 3.0, 5.0, 9.0, 30.0])
def test_reduced_textures_stay_in_place(texels, footprint):
    """A ramp is the same at any distance, except at its ends."""
    axis = torch.linspace(-1, 1, texels)
    ramp = torch.stack([axis.expand(texels, texels), axis[:, None].expand(texels, texels)])
    face = torch.cat([ramp, torch.zeros(1, texels, texels)])
    sizes = [texels // level for level in LEVELS]
    images = tuple(_reduced(face, size) for size in sizes)
    body = Body("plane", torch.ones(3), scene(0)[0].bodies[0].motion, images, 1.0)
    line = torch.linspace(-0.6, 0.6, 21)
    local = (*torch.cartesian_prod(line, line).unbind(-1), torch.zeros(441))
    colour = body.sample(local, torch.full((441,), footprint))
    torch.testing.assert_close(colour[:2], torch.stack(local[:2]), atol=1e-3, rtol=0)


def test_windows_cover_every_body():
    """Images cast in windows equal those cast at every pixel."""
    drawn, _ = scene(1)
    H, W = drawn.size
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    xy = torch.stack([x, y], -1).view(1, -1, 2).double().expand(len(TIMES), -1, -1)
    bodies = tuple(painted(index, body) for index, body in enumerate(drawn.bodies))
    shown = replace(drawn, bodies=bodies).render(TIMES)[:, 2].flatten(1) / 10 + 1e-3
    expected = drawn.pick(TIMES, xy).surface.view(len(TIMES), -1)
    assert (shown.floor() == expected).float().mean() > 0.999
