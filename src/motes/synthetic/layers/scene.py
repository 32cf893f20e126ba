"""Scenes of flat layers: shapes that move in front of each other and of a background."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.synthetic.config import SyntheticConfig
from motes.synthetic.dice import Dice
from motes.synthetic.layers.shapes import outline
from motes.synthetic.layers.sheets import Camera, Card, Placement, draw_ripple
from motes.synthetic.motion import Curve, Hops, dart, shake, still, wander
from motes.synthetic.scene import Located, Points
from motes.synthetic.textures import Textures, blurred

MIN_ALPHA = 0.9
"""Least alpha at which a point may lie on a layer; points on soft edges are not used."""


@dataclass(frozen=True)
class Layer:
    """One surface.

    Attributes:
        image: Premultiplied RGB and alpha, float32 ``[4, S, S]``, over the plane's -1..1 square.
        card: Its motion.
        gain: Curve added to 1: brightness.
        shadow: Strength of its shadow on the layers behind, 0..1.
        endless: Whether the texture is continued beyond its borders by mirroring (background).
    """

    image: Tensor
    card: Card
    gain: Curve
    shadow: float = 0.0
    endless: bool = False

    def sample(self, grid: Tensor, channels: slice = slice(None)) -> Tensor:
        """The image at points of the plane ``[t, h, w, 2]``: ``[t, C, h, w]``."""
        t, h, w, _ = grid.shape
        image = self.image[None, channels]
        padding = "reflection" if self.endless else "zeros"
        flat = F.grid_sample(
            image, grid.reshape(1, t * h, w, 2), padding_mode=padding, align_corners=False
        )
        return flat.view(image.shape[1], t, h, w).transpose(0, 1)

    def alpha(self, plane: Tensor) -> Tensor:
        """Alpha at points ``[T, N, 2]``: ``[T, N]``."""
        grid = plane.to(self.image.device, torch.float32)[:, None]
        return self.sample(grid, slice(3, 4))[:, 0, 0].to(plane)


@dataclass(frozen=True)
class LayeredScene:
    """Layers from back to front; the first one is endless.

    Attributes:
        layers: The surfaces.
        camera: Motion of all layers together.
        size: Height and width of the frames.
        sun: Displacement of shadows, ``(x, y)`` in pixels.
    """

    layers: tuple[Layer, ...]
    camera: Camera
    size: tuple[int, int]
    sun: tuple[float, float] = (0.0, 0.0)

    @property
    def centre(self) -> Tensor:
        """The pixel at the centre of the frame, where screen coordinates are 0."""
        H, W = self.size
        return torch.tensor([(W - 1) / 2, (H - 1) / 2], dtype=torch.float64)

    def render(self, times: Tensor, offset: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """Compose the layers from back to front; see `Scene.render`."""
        H, W = self.size
        picture = torch.zeros(len(times), 3, H, W, device=self.layers[0].image.device)
        for layer in self.layers:
            placement = layer.card.at(times, self.camera)
            if layer.shadow:
                self._darken(picture, layer, placement, offset)
            self._compose(picture, layer, placement, times, offset)
        return picture

    def _compose(
        self,
        picture: Tensor,
        layer: Layer,
        placement: Placement,
        times: Tensor,
        offset: tuple[float, float],
    ) -> None:
        """Draw one layer over the picture (changes `picture`)."""
        region = self._region(layer, placement)
        if region is None:
            return
        frames, rows, columns = region
        if layer.endless and placement.at_rest:
            frames = slice(0, 1)  # one for all
        sample = layer.sample(placement.grid(*self._axes(rows, columns, offset, picture), frames))
        frames = region[0]
        gain = (1 + layer.gain.at(times[frames])).to(sample)[..., None, None]
        colour = sample[:, :3] * gain
        if layer.endless:
            picture.copy_(colour)
        else:
            picture[frames, :, rows, columns].mul_(1 - sample[:, 3:]).add_(colour)

    def _darken(
        self, picture: Tensor, layer: Layer, placement: Placement, offset: tuple[float, float]
    ) -> None:
        """Draw the shadow of a layer (changes `picture`)."""
        region = self._region(layer, placement, self.sun)
        if region is None:
            return
        frames, rows, columns = region
        offset = (offset[0] - self.sun[0], offset[1] - self.sun[1])
        grid = placement.grid(*self._axes(rows, columns, offset, picture), frames)
        alpha = layer.sample(grid, slice(3, 4))
        picture[frames, :, rows, columns].mul_(1 - layer.shadow * alpha)

    def _region(
        self, layer: Layer, placement: Placement, shift: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[slice, slice, slice] | None:
        """Frames, rows and columns that a layer can cover; None: none."""
        H, W = self.size
        if layer.endless:
            return slice(0, len(placement.matrix)), slice(0, H), slice(0, W)
        centre = self.centre + torch.tensor(shift, dtype=torch.float64)
        low, high = (edge + centre for edge in placement.extent(margin=1.0))
        limit = torch.tensor([W - 1, H - 1])
        touched = ((high >= 0) & (low <= limit)).all(-1).nonzero()
        if len(touched) == 0:
            return None
        frames = slice(int(touched[0]), int(touched[-1]) + 1)
        left, top = low[frames].amin(0).floor().clamp_min(0).int().tolist()
        right, bottom = (high[frames].amax(0).ceil().minimum(limit).int() + 1).tolist()
        if left >= right or top >= bottom:
            return None
        return frames, slice(top, bottom), slice(left, right)

    def _axes(
        self, rows: slice, columns: slice, offset: tuple[float, float], like: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Screen coordinates of columns and rows."""
        x, y = (self.centre - torch.tensor(offset)).tolist()
        across = torch.arange(columns.start, columns.stop, device=like.device) - x
        down = torch.arange(rows.start, rows.stop, device=like.device) - y
        return across.float(), down.float()

    def pick(self, times: Tensor, xy: Tensor) -> Points:
        """See `Scene.pick`; points on soft edges have no surface."""
        T, m, _ = xy.shape
        surface = torch.full((T, m), -1)
        local = torch.zeros(T, m, 2, dtype=torch.float64)
        light = torch.ones(T, m, dtype=torch.float64)
        for index in reversed(range(len(self.layers))):
            plane = self.layers[index].card.at(times, self.camera).to_plane(xy - self.centre)
            alpha = self.layers[index].alpha(plane)
            hit = (light > MIN_ALPHA) & (alpha > MIN_ALPHA)
            surface[hit], local[hit] = index, plane[hit]
            light = light * (1 - alpha)
        return Points(surface.flatten(), local.flatten(0, 1))

    def locate(self, points: Points, times: Tensor) -> Located:
        """See `Scene.locate`; a point is hidden if the layers in front block half of its light."""
        xy = torch.zeros(len(times), len(points.surface), 2, dtype=torch.float64)
        light = torch.ones(xy.shape[:2], dtype=torch.float64)
        for index, layer in enumerate(self.layers):
            placement = layer.card.at(times, self.camera)
            behind = points.surface < index
            light[:, behind] *= 1 - layer.alpha(placement.to_plane(xy[:, behind]))
            on_layer = points.surface == index
            xy[:, on_layer] = placement.to_screen(points.local[on_layer][None])
        return Located(xy + self.centre, light > 0.5, torch.ones_like(light, dtype=torch.bool))


def draw_layers(
    config: SyntheticConfig, dice: Dice, textures: Textures, device: torch.device
) -> LayeredScene:
    """A random scene; see `SyntheticConfig` for its ranges."""
    speed = dice.scale(*config.speed)
    at_rest = config.still > 0 and dice.chance(config.still)
    speed = 0.0 if at_rest else speed
    camera = Camera() if at_rest else _camera(config, dice, speed)
    count = dice.integer(*config.layers)
    shadow = dice.number(0.2, 0.6) if config.lighting and dice.chance(0.4) else 0.0
    layers = [_background(config, dice, textures, device, speed)]
    for depth in range(count):
        layers.append(_shape(config, dice, textures, device, speed, depth / count, shadow))
    for _ in range(dice.integer(*config.movers) if config.movers[1] else 0):
        layers.append(_mover(config, dice, textures, device, shadow))
    sun = dice.uniform(-0.05, 0.05, 2) * config.side
    return LayeredScene(tuple(layers), camera, config.size, (float(sun[0]), float(sun[1])))


def _camera(config: SyntheticConfig, dice: Dice, speed: float) -> Camera:
    """A random camera: static, or with pan, zoom, roll and shake."""
    if dice.chance(0.08):
        return Camera()
    pan = wander(dice, speed * dice.number(0.1, 1) * config.side, 2)
    zoom = wander(dice, speed * dice.number(0, 0.7)) if dice.chance(0.6) else still()
    roll = wander(dice, speed * dice.number(0, 0.8)) if dice.chance(0.5) else still()
    if dice.chance(0.35):
        pan = pan.plus(shake(dice, config.side * dice.scale(0.001, 0.02), 2))
    return Camera(pan, zoom, roll)


def _background(
    config: SyntheticConfig, dice: Dice, textures: Textures, device: torch.device, speed: float
) -> Layer:
    half = max(config.size) / 2 * dice.number(1.05, 1.8)
    texels = _texels(2 * half * dice.number(0.7, 1.2))
    image = textures.draw(dice, (texels, texels), device)
    if dice.chance(0.15):
        image = blurred(image, dice.scale(0.7, 3) * config.side / 256)
    card = Card(
        half,
        tilt=wander(dice, speed * dice.number(0, 0.5), 2) if dice.chance(0.5) else still(2),
        ripple=draw_ripple(dice, speed / config.speed[1]) if dice.chance(0.1) else None,
        max_tilt=0.3,
    )
    image = torch.cat([image, torch.ones_like(image[:1])])
    return Layer(image, card, _light(config, dice), endless=True)


def _shape(
    config: SyntheticConfig,
    dice: Dice,
    textures: Textures,
    device: torch.device,
    speed: float,
    depth: float,
    shadow: float,
) -> Layer:
    """A random shape; `depth` runs from 0 (far) to 1 (near)."""
    half = dice.scale(*config.radius) * config.side
    texels = _texels(2 * half * dice.number(0.8, 1.4))
    image = textures.draw(dice, (texels, texels), device)
    mask = outline(dice, texels, device, softness=dice.scale(0.4, 2.0))
    if dice.chance(0.05):  # out of focus
        blur = dice.scale(0.7, 3) * config.side / 256
        image, mask = blurred(image, blur), blurred(mask[None], blur)[0]
    card = _card(config, dice, half, speed, depth)
    image = torch.cat([image * mask, mask[None]])
    return Layer(image, card, _light(config, dice), shadow)


def _card(config: SyntheticConfig, dice: Dice, half: float, speed: float, depth: float) -> Card:
    """A random motion of a shape: static in the world, or moving, rotating and bouncing."""
    nearness = 1 + 0.8 * depth * dice.number(0, 1)
    position = dice.uniform(-0.55, 0.55, 2) * torch.tensor(config.size[::-1], dtype=torch.float64)
    time = dice.number(0, config.frames)
    if dice.chance(0.25):
        return Card(half, still(2).through(position, time), nearness=nearness)
    shape_speed = speed * dice.scale(0.3, 3)
    return Card(
        half,
        centre=wander(dice, shape_speed * config.side, 2).through(position, time),
        grow=wander(dice, shape_speed * dice.number(0, 0.8)) if dice.chance(0.6) else still(),
        roll=wander(dice, shape_speed * dice.number(0, 3)) if dice.chance(0.7) else still(),
        tilt=wander(dice, shape_speed * dice.number(0, 3), 2) if dice.chance(0.6) else still(2),
        hops=_hops(config, dice, shape_speed) if dice.chance(0.12) else Hops(),
        nearness=nearness,
        ripple=draw_ripple(dice, shape_speed / config.speed[1])
        if dice.chance(config.ripple)
        else None,
    )


def _mover(
    config: SyntheticConfig, dice: Dice, textures: Textures, device: torch.device, shadow: float
) -> Layer:
    """A small shape that moves quickly and irregularly; often of one colour, as animals are."""
    half = dice.scale(*config.mover_radius) * config.side
    texels = _texels(2 * half * dice.number(1.0, 2.0))
    image = textures.draw(dice, (texels, texels), device)
    if dice.chance(0.5):
        colour = (dice.uniform(0, 1, 1, 1, 1) + dice.uniform(-0.15, 0.15, 3, 1, 1)).to(image)
        image = torch.lerp(image, colour, dice.number(0.3, 0.9)).clamp(0, 1)
    mask = outline(dice, texels, device, softness=dice.scale(0.4, 1.2))
    speed = dice.scale(*config.mover_speed)
    reach = torch.tensor(config.size[::-1], dtype=torch.float64) * 0.48
    card = Card(
        half,
        centre=dart(dice, speed * config.side, config.frames, reach),
        grow=wander(dice, 0.01) if dice.chance(0.3) else still(),
        roll=wander(dice, dice.scale(0.01, 0.15), period=(6, 40)),
        tilt=wander(dice, 0.05, 2, period=(8, 40)) if dice.chance(0.3) else still(2),
        ripple=draw_ripple(dice, 1.0) if dice.chance(config.ripple) else None,
    )
    return Layer(torch.cat([image * mask, mask[None]]), card, _light(config, dice), shadow)


def _hops(config: SyntheticConfig, dice: Dice, speed: float) -> Hops:
    period = dice.number(8, 30)
    return Hops(min(speed * period / 2, 0.5) * config.side, period, dice.number(0, 1))


def _light(config: SyntheticConfig, dice: Dice) -> Curve:
    if not config.lighting or dice.chance(0.4):
        return still()
    return wander(dice, dice.scale(0.0005, 0.008), period=(10, 80))


def _texels(side: float) -> int:
    return max(16, min(768, math.ceil(side)))
