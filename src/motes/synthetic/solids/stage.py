"""Random worlds: surroundings, static and moving bodies, and a moving camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.synthetic.config import SyntheticConfig
from motes.synthetic.dice import Dice
from motes.synthetic.motion import shake, still, wander
from motes.synthetic.solids.bodies import LEVELS, Body, Sun
from motes.synthetic.solids.primitives import FACES
from motes.synthetic.solids.rigid import Eye, Hover, Motion, Piece, Pose, random_rotation, throw
from motes.synthetic.solids.world import World
from motes.synthetic.textures import Textures

SPEED_FACTOR = 0.7
"""Factor on the speed of worlds, because perspective makes near bodies faster."""

KINDS = ("box", "box", "box", "ball", "ball", "cylinder", "cylinder")


@dataclass(frozen=True)
class Setting:
    """Parameters that all parts of one world share.

    Attributes:
        config: What to make.
        dice: Random numbers of the clip.
        textures: Source of textures.
        device: Of the textures.
        speed: Typical speed of the clip, in frame sides per frame.
        focal: Focal length in frame sides.
        distance: From the camera to the middle of the bodies.
    """

    config: SyntheticConfig
    dice: Dice
    textures: Textures
    device: torch.device
    speed: float
    focal: float
    distance: float

    @property
    def pace(self) -> float:
        """The typical speed in units of the world per frame."""
        return self.speed * self.distance / self.focal

    def detail(self, distance: float) -> float:
        """Texels per unit of length for one texel per pixel at that distance."""
        return self.config.side * self.focal / distance


def draw_world(
    config: SyntheticConfig, dice: Dice, textures: Textures, device: torch.device
) -> World:
    """A random scene; see `SyntheticConfig` for its ranges."""
    setting = Setting(
        config,
        dice,
        textures,
        device,
        speed=dice.scale(*config.speed) * SPEED_FACTOR,
        focal=dice.scale(0.7, 1.8),
        distance=dice.number(4, 9),
    )
    indoors = dice.chance(0.3)
    extent = dice.number(1.3, 2.5) * setting.distance if indoors else dice.number(20, 40)
    bodies = _room(setting, extent) if indoors else _outdoors(setting, extent)
    for _ in range(dice.integer(*config.objects)):
        bodies += _object(setting)
    eye = _eye(setting, (extent * 0.85, extent * 0.85, extent * 0.6))
    return World(tuple(bodies), eye, config.size, _sun(dice) if config.lighting else None)


def _sun(dice: Dice) -> Sun:
    angle, height = dice.number(0, math.tau), dice.number(0.4, 1.4)
    direction = [math.cos(angle), math.sin(angle), height]
    ambient = dice.number(0.4, 0.75)
    towards = F.normalize(torch.tensor(direction, dtype=torch.float64), dim=0)
    return Sun(towards, ambient, dice.number(1.1, 1.5) - ambient)


def _outdoors(setting: Setting, extent: float) -> list[Body]:
    """A ground plane under a dome that shows a distant background."""
    texels = _texels(setting, 2.0)
    dome = Body(
        "dome",
        torch.full((3,), extent, dtype=torch.float64),
        _static(torch.zeros(3)),
        _skin(setting, "dome", texels),
        texels / (extent * math.pi / 2),
        lit=False,
    )
    tile = setting.distance * setting.dice.number(0.35, 1.0)
    half = torch.tensor([tile, tile, 1.0], dtype=torch.float64)
    image = _skin(setting, "plane", texels)
    return [dome, Body("plane", half, _static(torch.zeros(3)), image, texels / (2 * tile))]


def _room(setting: Setting, extent: float) -> list[Body]:
    """Four walls, floor and ceiling; the floor is at height 0."""
    half = torch.tensor([extent, extent, extent * setting.dice.number(0.4, 0.8)]).double()
    texels = _texels(setting, 1.25)
    image = _skin(setting, "room", texels)
    centre = torch.tensor([0.0, 0.0, float(half[2])])
    return [Body("room", half, _static(centre), image, texels / (2 * extent))]


def _object(setting: Setting) -> list[Body]:
    """One moving object: usually a single body, sometimes several rigidly joined."""
    dice = setting.dice
    size = dice.scale(0.05, 0.28) * setting.distance / setting.focal
    parts = 1 if dice.chance(0.75) else dice.integer(2, 4)
    motion = _motion(setting, size)
    bodies = []
    for k in range(parts):
        pose = Pose(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
        if k > 0:
            pose = Pose(random_rotation(dice), dice.normal(3) * size * 0.6)
        bodies.append(_body(setting, size * (1.0 if k == 0 else 0.7), Attached(motion, pose)))
    return bodies


@dataclass(frozen=True)
class Attached:
    """Motion of a part that is fixed to a moving object, at a constant relative pose."""

    carrier: Motion
    relative: Pose

    def at(self, times: Tensor) -> Pose:
        """See `Motion.at`."""
        pose = self.carrier.at(times)
        position = pose.rotation @ self.relative.position + pose.position
        return Pose(pose.rotation @ self.relative.rotation, position)


def _body(setting: Setting, size: float, motion: Motion) -> Body:
    dice = setting.dice
    half = torch.exp(dice.uniform(-0.6, 0.4, 3)) * size
    kind = dice.choice(KINDS)
    if kind == "cylinder":
        half[1] = half[0]
    if kind == "ball" and dice.chance(0.6):
        half = half[:1].expand(3)
    texels = max(16, min(384, math.ceil(2 * size * setting.detail(setting.distance))))
    image = _skin(setting, kind, texels)
    gloss = dice.number(0, 0.5) if dice.chance(0.4) else 0.0
    return Body(kind, half, motion, image, texels / (2 * size), gloss)


def _motion(setting: Setting, size: float) -> Motion:
    """A random motion: thrown, hovering, or at rest on the ground."""
    dice = setting.dice
    spread = setting.distance / setting.focal * 0.5
    position = dice.uniform(-spread, spread, 3)
    position[2] = size * 0.9
    style = dice.choice(("thrown", "thrown", "hovering", "resting"))
    if style == "resting":
        upright = _upright(dice.number(0, math.tau))
        return Hover(still(3).through(position, 0.0), still(3), upright)
    spin = setting.pace / size * dice.scale(0.2, 1.5)
    if style == "hovering":
        position[2] += abs(float(dice.normal())) * spread * 0.6
        path = wander(dice, setting.pace * dice.scale(0.3, 2), 3)
        path = path.through(position, dice.number(0, setting.config.frames))
        return Hover(path, wander(dice, min(spin, 0.35), 3), random_rotation(dice))
    position[2] += dice.number(0, 1.5) * spread
    velocity = dice.normal(3) * setting.pace * dice.scale(0.3, 2)
    velocity[:2] -= position[:2] / spread * setting.pace * dice.number(0, 1)
    gravity = setting.pace * dice.scale(0.02, 0.25)
    turn = dice.normal(3) * min(spin, 0.35)
    first = Piece(0.0, position, velocity, random_rotation(dice), turn, gravity)
    return throw(dice, first, size * 0.9, setting.config.frames)


def _eye(setting: Setting, bounds: tuple[float, float, float]) -> Eye:
    """A random camera: it faces the middle of the world, or a direction that changes slowly."""
    dice, config = setting.dice, setting.config
    angle, height = dice.number(0, math.tau), dice.number(0.05, 0.75)
    away = torch.tensor([math.cos(angle), math.sin(angle), height], dtype=torch.float64)
    position = away * (setting.distance / away.norm())
    position[2] += 0.3
    middle = torch.tensor([0.0, 0.0, setting.distance * 0.1], dtype=torch.float64)
    resting = dice.chance(0.1)
    pace = 0.0 if resting else setting.pace * dice.number(0.2, 1.2)
    ahead = dice.chance(0.35)
    target = middle + dice.normal(3) * setting.distance * 0.1
    aim = (target - position) / setting.distance if ahead else target
    swing = pace / setting.distance * 0.6 if ahead else pace * 0.7
    tremble = dice.scale(0.001, 0.015) if dice.chance(0.4) and not resting else 0.0
    H, W = config.size
    return Eye(
        position=wander(dice, pace, 3).through(position, config.frames / 2),
        aim=wander(dice, swing, 3).through(aim, config.frames / 2),
        focal=setting.focal * config.side,
        centre=torch.tensor([(W - 1) / 2, (H - 1) / 2], dtype=torch.float64),
        ahead=ahead,
        zoom=wander(dice, setting.speed * 0.5) if dice.chance(0.2) else still(),
        tremble=shake(dice, tremble, 3),
        bounds=bounds,
    )


def _static(position: Tensor) -> Hover:
    """The motion of a static body."""
    rest = still(3).through(position.double(), 0.0)
    return Hover(rest, still(3), torch.eye(3, dtype=torch.float64))


def _upright(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)


def _skin(setting: Setting, kind: str, texels: int) -> tuple[Tensor, ...]:
    """Textures of all faces of a body at all sizes; see `Body.images`."""
    dice, shape = setting.dice, (texels, texels)
    faces = [setting.textures.draw(dice, shape, setting.device)]
    several = dice.chance(0.5)
    for _ in range(FACES[kind] - 1):
        another = setting.textures.draw(dice, shape, setting.device) if several else faces[0]
        faces.append(torch.rot90(another, 0 if several else dice.integer(0, 3), (1, 2)))
    sizes = [max(2, texels // level) for level in LEVELS]
    return tuple(torch.cat([_reduced(face, size) for face in faces], -1) for size in sizes)


def _reduced(face: Tensor, size: int) -> Tensor:
    if size == len(face[0]):
        return face
    return F.interpolate(face[None], (size, size), mode="bilinear", antialias=True)[0]


def _texels(setting: Setting, sides: float) -> int:
    return min(768, math.ceil(setting.config.side * sides))
