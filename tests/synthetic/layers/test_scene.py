"""Layers: the map and its inverse, colours along tracks, visibility by brute force."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from motes.synthetic.config import SyntheticConfig
from motes.synthetic.dice import Dice
from motes.synthetic.engine import choose_points, draw_scene, expose
from motes.synthetic.layers.scene import LayeredScene
from motes.synthetic.scene import inside
from motes.synthetic.textures import Textures

PLAIN = SyntheticConfig(
    kind="layers",
    frames=6,
    size=(96, 128),
    points=200,
    speed=(0.003, 0.06),
    lighting=False,
    effects=False,
    ripple=1.0,
)
TIMES = torch.arange(PLAIN.frames, dtype=torch.float64)
CPU = torch.device("cpu")


def scene(seed: int) -> tuple[LayeredScene, Dice]:
    dice = Dice(seed)
    drawn = draw_scene(PLAIN, dice, Textures(), CPU)
    assert isinstance(drawn, LayeredScene)
    return drawn, dice


def look_up(pictures: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """Bilinear pixels ``[T, N, C]`` of ``[T, C, H, W]`` at ``[T, N, 2]``."""
    H, W = pictures.shape[-2:]
    grid = (2 * xy + 1) / torch.tensor([W, H]) - 1
    return F.grid_sample(pictures, grid[:, None].float(), align_corners=False)[:, :, 0].mT


@pytest.mark.parametrize("seed", range(12))
def test_screen_and_plane_are_inverse(seed):
    drawn, dice = scene(seed)
    xy = dice.uniform(-10, 130, len(TIMES), 300, 2)
    for layer in drawn.layers:
        placement = layer.card.at(TIMES, drawn.camera)
        plane = placement.to_plane(xy)
        near = (plane.abs() < 1.5).all(-1)
        torch.testing.assert_close(placement.to_screen(plane)[near], xy[near], rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_grid_of_pixels_agrees_with_points(seed):
    drawn, _ = scene(seed)
    x, y = torch.arange(-64.0, 64.0), torch.arange(-48.0, 48.0)
    xy = torch.cartesian_prod(y, x).flip(-1).double().expand(len(TIMES), -1, -1)
    for layer in drawn.layers:
        placement = layer.card.at(TIMES, drawn.camera)
        plane = placement.to_plane(xy)
        grid = placement.grid(x, y, slice(0, len(TIMES))).flatten(1, 2).double()
        near = (plane.abs() < 1.5).all(-1)
        error = (grid - plane)[near] * layer.card.half_size  # pixels at scale 1
        assert (error.abs() < 0.002).all()


@pytest.mark.parametrize("seed", range(8))
def test_colour_along_a_track_is_that_of_its_texture(seed):
    """A layer painted with its own coordinates: a wrong position gives a wrong colour."""
    drawn, dice = scene(seed)
    points = choose_points(PLAIN, dice, drawn, TIMES)
    found = drawn.locate(points, TIMES)
    checked = 0
    for index, layer in enumerate(drawn.layers):
        half_size = layer.card.at(TIMES, drawn.camera).matrix[:, :2, :2].det().abs().sqrt()
        own = (points.surface == index) & (points.local.abs() < 0.95).all(-1)
        seen = look_up(expose(painted(drawn, index), TIMES, samples=3), found.xy)
        clear = own & found.visible & inside(found.xy, drawn.size) & (seen[..., 2] > 0.9999)
        clear &= (half_size > 12)[:, None]  # smaller ones bend within a pixel
        error = (seen[..., :2] - points.local).norm(dim=-1) * half_size[:, None]  # pixels
        assert (error[clear] < 0.03).all()
        checked += int(clear.sum())
    assert checked > 100


@pytest.mark.parametrize("seed", range(8))
def test_visibility_follows_the_light_that_is_not_blocked(seed):
    drawn, dice = scene(seed)
    points = choose_points(PLAIN, dice, drawn, TIMES)
    found = drawn.locate(points, TIMES)
    for index in range(len(drawn.layers)):
        share = look_up(painted(drawn, index).render(TIMES), found.xy)[..., 2]
        own = (points.surface == index) & inside(found.xy, drawn.size)
        assert found.visible[own & (share > 0.75)].all()
        assert not found.visible[own & (share < 0.25)].any()


def painted(drawn: LayeredScene, index: int) -> LayeredScene:
    """One layer shows its plane's coordinates (red, green) and 1 (blue); the others are black."""
    layers = [
        replace(layer, image=torch.cat([layer.image[:3] * 0, layer.image[3:]]))
        for layer in drawn.layers
    ]
    alpha = layers[index].image[3]
    axis = (torch.arange(len(alpha)) + 0.5) * 2 / len(alpha) - 1
    across, down = axis.expand_as(alpha), axis[:, None].expand_as(alpha)
    colours = torch.stack([across, down, torch.ones_like(alpha)]) * alpha
    layers[index] = replace(layers[index], image=torch.cat([colours, alpha[None]]))
    return replace(drawn, layers=tuple(layers))
