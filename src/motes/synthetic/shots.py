"""Shots with one known motion: ground truth for editing and reconstruction.

A shaking camera over a background; a card that slides, turns or bends in front of it; and a static
world seen by a moving camera.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from motes.errors import InputError
from motes.synthetic.dice import Dice
from motes.synthetic.engine import expose
from motes.synthetic.layers.scene import Layer, LayeredScene
from motes.synthetic.layers.sheets import Camera, Card, draw_ripple
from motes.synthetic.motion import Curve, shake, still, wander
from motes.synthetic.scene import Scene
from motes.synthetic.solids.bodies import Body
from motes.synthetic.solids.primitives import FACES
from motes.synthetic.solids.rigid import Eye, Hover, random_rotation
from motes.synthetic.solids.world import World
from motes.synthetic.textures import Textures

CPU = torch.device("cpu")
MOTIONS = ("slide", "turn", "bend")
CARD = 0.36
"""Half-size of the card, in sides of the frame."""


def shaking_camera(
    size: tuple[int, int] = (320, 240), seed: int = 0, textures: Textures | None = None
) -> LayeredScene:
    """A background seen by a shaking, drifting camera, and a disc that crosses the frame.

    Args:
        size: Width and height in pixels.
        seed: The same seed gives the same shot.
        textures: Source of textures; default: procedural.
    """
    dice, textures = Dice(seed), textures or Textures()
    side = math.sqrt(size[0] * size[1])
    pan = wander(dice, 0.004 * side, 2).plus(shake(dice, 0.008 * side, 2))
    camera = Camera(pan, wander(dice, 0.002), shake(dice, 0.005))
    path = wander(dice, 0.02 * side, 2)
    crossing = Card(0.15 * side, path, nearness=0.0)
    layers = (_background(dice, textures, size), _disc(dice, textures, crossing))
    return LayeredScene(layers, camera, size[::-1])


def moving_card(
    motion: str,
    size: tuple[int, int] = (320, 240),
    seed: int = 0,
    textures: Textures | None = None,
    occluder: bool = False,
) -> LayeredScene:
    """A square card (layer 1) that moves in front of a background.

    Args:
        motion: ``"slide"`` (moves and grows), ``"turn"`` (also rolls and tilts) or ``"bend"``
            (also ripples).
        size: Width and height in pixels.
        seed: The same seed gives the same shot.
        textures: Source of textures; default: procedural.
        occluder: Whether a disc (layer 2) crosses in front of the card.

    Raises:
        InputError: The motion is unknown.
    """
    if motion not in MOTIONS:
        raise InputError(f"motion: expected one of {', '.join(MOTIONS)}, got {motion!r}")
    dice, textures = Dice(seed), textures or Textures()
    side = math.sqrt(size[0] * size[1])
    turns = motion != "slide"
    card = Card(
        CARD * side,
        centre=wander(dice, 0.008 * side, 2),
        grow=wander(dice, 0.004),
        roll=wander(dice, 0.008) if turns else still(),
        tilt=wander(dice, 0.015, 2) if turns else still(2),
        ripple=draw_ripple(dice, 0.8) if motion == "bend" else None,
    )
    layers = [_background(dice, textures, size), _square(dice, textures, card)]
    if occluder:
        path = _steady((-0.7 * side, 0.0), (0.06 * side, 0.0))
        layers.append(_disc(dice, textures, Card(0.2 * side, path)))
    return LayeredScene(tuple(layers), Camera(), size[::-1])


def _steady(start: Sequence[float], velocity: Sequence[float]) -> Curve:
    """A curve of constant velocity, in units per frame."""
    curve = still(len(start)).through(torch.tensor(start, dtype=torch.float64), 0.0)
    return replace(curve, velocity=torch.tensor(velocity, dtype=torch.float64))


def _background(dice: Dice, textures: Textures, size: tuple[int, int]) -> Layer:
    image = _detailed(dice, textures, 512)
    opaque = torch.cat([image, torch.ones_like(image[:1])])
    return Layer(opaque, Card(0.8 * max(size)), still(), endless=True)


def _square(dice: Dice, textures: Textures, card: Card) -> Layer:
    """A card without soft edges: its whole plane."""
    image = _detailed(dice, textures, 256)
    return Layer(torch.cat([image, torch.ones_like(image[:1])]), card, still())


def _disc(dice: Dice, textures: Textures, card: Card) -> Layer:
    image = _detailed(dice, textures, 96)
    axis = torch.linspace(-1, 1, 96)
    alpha = ((0.9 - torch.hypot(axis[None], axis[:, None])) * 48).sigmoid()[None]
    return Layer(torch.cat([image * alpha, alpha]), card, still())


def _detailed(dice: Dice, textures: Textures, texels: int) -> Tensor:
    """The most detailed of several textures, with fine noise, so that every point is trackable."""
    images = [textures.draw(dice, (texels, texels), CPU) for _ in range(4)]
    best = max(images, key=lambda image: float(image.diff(dim=1).abs().mean()))
    cells = texels // 8
    grain = torch.rand(1, 1, cells, cells, generator=dice.on(CPU))
    fine = torch.nn.functional.interpolate(grain, (texels, texels), mode="bicubic")[0]
    return (0.6 * best + 0.4 * fine).clamp(0, 1)


def static_world(
    size: tuple[int, int] = (320, 240), seed: int = 0, textures: Textures | None = None
) -> World:
    """Static boxes in a room, and a camera that circles them.

    Args:
        size: Width and height in pixels.
        seed: The same seed gives the same shot.
        textures: Source of textures; default: procedural.
    """
    dice, textures = Dice(seed), textures or Textures()
    W, H = size
    focal = 1.1 * math.sqrt(W * H)
    room = _body(dice, textures, "room", (5.0, 5.0, 2.5), (0.0, 0.0, 2.5), 512)
    boxes = [
        _body(
            dice,
            textures,
            "box",
            tuple((0.35 + 0.35 * dice.uniform(0, 1, 3)).tolist()),
            (2.2 * math.cos(1.1 * k), 2.2 * math.sin(1.1 * k), 0.6 + 0.25 * (k % 3)),
            160,
        )
        for k in range(6)
    ]
    path = _steady((4.4, -1.4, 2.2), (-0.03, 0.11, 0.012))
    aim = _steady((-0.6, 0.0, 0.9), (0.0, 0.0, 0.0))
    centre = torch.tensor([(W - 1) / 2, (H - 1) / 2], dtype=torch.float64)
    return World((room, *boxes), Eye(path, aim, focal, centre), (H, W))


def _body(
    dice: Dice,
    textures: Textures,
    kind: str,
    half: tuple[float, ...],
    position: tuple[float, float, float],
    texels: int,
) -> Body:
    faces = [_detailed(dice, textures, texels) for _ in range(FACES[kind])]
    sizes = [texels, max(2, texels // 3), max(2, texels // 9)]
    images = tuple(torch.cat([_resized(face, size) for face in faces], -1) for size in sizes)
    rotation = torch.eye(3, dtype=torch.float64) if kind == "room" else random_rotation(dice)
    rest = _steady(position, (0.0, 0.0, 0.0))
    return Body(
        kind,
        torch.tensor(half, dtype=torch.float64),
        Hover(rest, still(3), rotation),
        images,
        texels / (2 * max(half)),
    )


def _resized(face: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(
        face[None], (size, size), mode="bilinear", antialias=True
    )[0]


@torch.no_grad()
def film(scene: Scene, frames: int, samples: int = 2) -> np.ndarray:
    """The frames of a shot: uint8 ``[T, H, W, 3]``; each is the mean of `samples` images."""
    times = torch.arange(frames, dtype=torch.float64)
    video = expose(scene, times, 0.0, samples).clamp(0, 1)
    return (video * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


@torch.no_grad()
def follow(
    scene: Scene, xy: np.ndarray, at: int, frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positions, in all frames, of the surface points at pixels of one frame.

    Args:
        scene: The shot.
        xy: ``[N, 2]``, pixels of frame `at`.
        at: Number of the frame.
        frames: Number of frames T.

    Returns:
        Positions float64 ``[N, T, 2]``; whether each is visible, bool ``[N, T]``; and the number
        of its surface, int64 ``[N]``.
    """
    times = torch.arange(frames, dtype=torch.float64)
    points = scene.pick(times[at : at + 1], torch.tensor(xy, dtype=torch.float64)[None])
    located = scene.locate(points, times)
    visible = located.visible & located.valid
    return (
        located.xy.numpy().swapaxes(0, 1),
        visible.numpy().T,
        points.surface.numpy(),
    )
