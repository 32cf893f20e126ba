"""Layers: the map and its inverse, colours along tracks, visibility by brute force."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from motes.data.synthetic.config import SyntheticConfig
from motes.data.synthetic.dice import Dice
from motes.data.synthetic.engine import choose_points, draw_scene
from motes.data.synthetic.layers import Layer, LayeredScene
from motes.data.synthetic.scene import inside
from motes.data.synthetic.textures import Textures

PLAIN = SyntheticConfig(
    kind="layers", frames=6, size=(96, 128), points=200, lighting=False, effects=False, ripple=1.0
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
        place = layer.card.at(TIMES, drawn.camera)
        plane = place.to_plane(xy)
        near = (plane.abs() < 1.5).all(-1)
        torch.testing.assert_close(place.to_screen(plane)[near], xy[near], rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_grid_of_pixels_agrees_with_points(seed):
    drawn, _ = scene(seed)
    x, y = torch.arange(-64.0, 64.0), torch.arange(-48.0, 48.0)
    xy = torch.cartesian_prod(y, x).flip(-1).double().expand(len(TIMES), -1, -1)
    for layer in drawn.layers:
        place = layer.card.at(TIMES, drawn.camera)
        plane = place.to_plane(xy)
        grid = place.grid(x, y, slice(0, len(TIMES))).flatten(1, 2).double()
        near = (plane.abs() < 1.5).all(-1)
        error = (grid - plane)[near] * layer.card.half_size  # pixels at scale 1
        assert (error.abs() < 0.002).all()


@pytest.mark.parametrize("seed", range(8))
def test_colour_along_a_track_is_that_of_its_texture(seed):
    """Layers are painted with their own coordinates in pixels: a wrong place is a wrong colour."""
    drawn, dice = scene(seed)
    painted = replace(drawn, layers=tuple(_painted(i, x) for i, x in enumerate(drawn.layers)))
    points = choose_points(PLAIN, dice, drawn, TIMES)
    found = drawn.locate(points, TIMES)
    seen = look_up(painted.render(TIMES), found.xy)
    half = torch.tensor([layer.card.half_size for layer in drawn.layers])[points.surface]
    on_screen = _half_sizes(drawn)[:, points.surface]
    code = 2.0**points.surface
    clear = found.visible & inside(found.xy, drawn.size) & (on_screen > 12)
    clear &= ((seen[..., 2] - code).abs() < 1e-4 * code) & (points.local.abs() < 0.95).all(-1)
    error = (seen[..., :2] / half[:, None] - points.local).norm(dim=-1) * on_screen
    error = error[clear]
    assert clear.sum() > 300
    assert error.max() < 0.05
    assert error.mean() < 0.005


def _half_sizes(drawn: LayeredScene) -> torch.Tensor:
    """Half a side of each layer on the screen in pixels, ``[T, L]``."""
    matrices = [layer.card.at(TIMES, drawn.camera).matrix for layer in drawn.layers]
    return torch.stack([m[:, :2, :2].det().abs().sqrt() for m in matrices], 1)


def _painted(index: int, layer: Layer) -> Layer:
    """Red and green are the place on the layer in pixels, blue is a code of the layer."""
    size = layer.image.shape[-1]
    axis = ((torch.arange(size) + 0.5) * 2 / size - 1) * layer.card.half_size
    across, down = axis.expand(size, size), axis[:, None].expand(size, size)
    alpha = layer.image[3]
    colours = torch.stack([across, down, torch.full_like(across, 2.0**index)])
    return replace(layer, image=torch.cat([colours * alpha, alpha[None]]))


@pytest.mark.parametrize("seed", range(8))
def test_visibility_is_the_share_of_light_that_comes_through(seed):
    drawn, dice = scene(seed)
    points = choose_points(PLAIN, dice, drawn, TIMES)
    found = drawn.locate(points, TIMES)
    framed = inside(found.xy, drawn.size)
    for index in range(len(drawn.layers)):
        lit = tuple(_lit(layer, i == index) for i, layer in enumerate(drawn.layers))
        seen = look_up(replace(drawn, layers=lit).render(TIMES), found.xy)[..., 0]
        own = (points.surface == index) & framed
        assert found.visible[own & (seen > 0.75)].all()
        assert not found.visible[own & (seen < 0.25)].any()


def _lit(layer: Layer, on: bool) -> Layer:
    alpha = layer.image[3:]
    return replace(layer, image=torch.cat([alpha.expand(3, -1, -1) * on, alpha]))
