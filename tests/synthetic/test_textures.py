"""Textures, outlines and camera effects: ranges, sizes, and the transforms' inverses."""

import pytest
import torch

from motes.synthetic import SyntheticConfig, effects, patterns, repeats, textures
from motes.synthetic.dice import Dice
from motes.synthetic.layers.shapes import EXTENT, SHAPES, outline
from motes.synthetic.video_coding import as_coded

CPU = torch.device("cpu")


@pytest.mark.parametrize("field", sorted(set(patterns.FIELDS), key=lambda f: f.__name__))
@pytest.mark.parametrize("size", [(16, 16), (40, 65)])
def test_patterns_fill_their_size(field, size):
    values = field(Dice(1), size, CPU)
    assert values.shape == size
    assert values.isfinite().all()


def test_patterns_are_in_range_and_differ():
    images = [patterns.pattern(Dice(seed), (24, 32), CPU) for seed in range(20)]
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
    config = SyntheticConfig(light_changes=0.5, defocus=0.5, video_coding=0.5)
    for seed in range(10):
        seen = effects.camera_effects(config, Dice(seed), video.clone(), times)
        assert seen.shape == video.shape
        assert 0 <= seen.min() <= seen.max() <= 1


def test_noise_has_the_given_deviation():
    noisy = effects.noise(Dice(0), torch.zeros(4, 3, 64, 64), 0.1)
    assert abs(float(noisy.std()) - 0.1) < 0.01


@pytest.mark.parametrize("cell", repeats.REPEATS, ids=lambda cell: cell.__name__)
def test_repeated_patterns_repeat(cell):
    """Shifted by two cells (checks and weaves have two kinds), the outlines are the same."""
    axis = torch.arange(0, 6, 0.05)
    u, v = axis[None].expand(120, -1), axis[:, None].expand(-1, 120)
    values = cell(Dice(1), u, v, 20.0)
    assert values.shape == (120, 120) and values.min() >= 0 and values.max() <= 1
    assert values.std() > 0.02
    if cell in (repeats._checks, repeats._dots, repeats._lattice, repeats._weave):
        torch.testing.assert_close(values[:, :80], values[:, 40:], atol=1e-3, rtol=0)


def test_repeated_textures_are_in_range_and_differ():
    images = [repeats.repeated(Dice(seed), (24, 32), CPU) for seed in range(20)]
    assert all(i.shape == (3, 24, 32) and 0 <= i.min() <= i.max() <= 1 for i in images)
    assert torch.stack(images).std(0).mean() > 0.1


@pytest.mark.parametrize("light", effects.LIGHTS, ids=lambda light: light.__name__)
def test_light_changes_with_time(light):
    video, times = torch.full((20, 3, 16, 24), 0.5), torch.arange(20, dtype=torch.float64)
    gains = [light(Dice(seed), video, times).expand(20, 3, 16, 24) for seed in range(6)]
    assert all((gain > 0).all() and (gain < 4).all() for gain in gains)
    assert max(float(gain.amax(0).sub(gain.amin(0)).max()) for gain in gains) > 0.1


def test_focus_blurs_some_frames_and_keeps_plain_ones():
    video, times = torch.rand(1, 3, 64, 64).expand(120, -1, -1, -1), torch.arange(120).double()
    detail = effects.focus(Dice(3), video, times).std((1, 2, 3))
    assert detail.min() < 0.8 * detail.max()
    plain = torch.full((4, 3, 16, 16), 0.25)
    torch.testing.assert_close(effects.focus(Dice(3), plain, times[:4]), plain)


def test_coding_loses_detail_and_is_the_same_each_time():
    video = torch.rand(5, 3, 33, 47, generator=torch.Generator().manual_seed(0))
    fine, coarse = (as_coded(video, crf) for crf in (10, 40))
    assert fine.shape == coarse.shape == video.shape
    assert (fine - video).abs().mean() < (coarse - video).abs().mean()
    assert torch.equal(coarse, as_coded(video, 40))
