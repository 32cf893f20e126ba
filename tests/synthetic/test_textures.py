"""Textures, outlines and camera effects: ranges, sizes, and the transforms' inverses."""

import pytest
import torch

from motes.synthetic import effects, textures
from motes.synthetic.dice import Dice
from motes.synthetic.layers.shapes import EXTENT, SHAPES, outline

CPU = torch.device("cpu")


@pytest.mark.parametrize("field", sorted(set(textures.FIELDS), key=lambda f: f.__name__))
@pytest.mark.parametrize("size", [(16, 16), (40, 65)])
def test_patterns_fill_their_size(field, size):
    values = field(Dice(1), size, CPU)
    assert values.shape == size
    assert values.isfinite().all()


def test_patterns_are_in_range_and_differ():
    images = [textures.pattern(Dice(seed), (24, 32), CPU) for seed in range(20)]
    assert all(i.shape == (3, 24, 32) and 0 <= i.min() <= i.max() <= 1 for i in images)
    assert torch.stack(images).std(0).mean() > 0.1


@pytest.mark.parametrize("seed", range(8))
def test_outlines_vanish_at_the_border(seed):
    mask = outline(Dice(seed), 64, CPU, softness=1.0)
    assert 0 <= mask.min() <= mask.max() <= 1
    border = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert border.max() < torch.sigmoid(torch.tensor(-(1 - EXTENT) * 32 + 1))


@pytest.mark.parametrize("shape", sorted(set(SHAPES), key=lambda f: f.__name__))
def test_every_shape_has_an_inside_and_an_outside(shape):
    axis = torch.linspace(-1, 1, 65)
    for seed in range(5):
        distance = shape(Dice(seed), axis[None], axis[:, None])
        assert distance.shape == (65, 65)
        assert (distance < 0).any() and (distance > 0).any()


def test_blurring_keeps_the_mean_and_plain_images():
    image = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    soft = textures.blurred(image, 2.0)
    assert soft.shape == image.shape
    assert soft.std() < 0.4 * image.std()
    torch.testing.assert_close(textures.blurred(torch.full((1, 9, 9), 0.3), 3.0).mean().item(), 0.3)


def test_compression_rounds_and_leaves_plain_pictures():
    video = torch.rand(2, 3, 20, 27, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(effects.compress(video, 1e-6), video, atol=1e-4, rtol=0)
    rough = effects.compress(video, 0.2)
    assert 0.01 < (rough - video).abs().mean() < 0.4
    assert torch.equal(rough[..., 16:, 24:], video[..., 16:, 24:])  # fills no block
    grey = torch.full((1, 3, 16, 16), 0.5)
    torch.testing.assert_close(effects.compress(grey, 0.5), grey, atol=1e-5, rtol=0)


def test_the_camera_keeps_the_range():
    video = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    times = torch.arange(3, dtype=torch.float64)
    for seed in range(10):
        seen = effects.camera_effects(Dice(seed), video.clone(), times)
        assert seen.shape == video.shape
        assert 0 <= seen.min() <= seen.max() <= 1


def test_noise_has_the_given_deviation():
    noisy = effects.noise(Dice(0), torch.zeros(4, 3, 64, 64), 0.1)
    assert abs(float(noisy.std()) - 0.1) < 0.01
