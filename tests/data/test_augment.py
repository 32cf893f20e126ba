"""A known pattern is augmented, and its position measured against the ground truth."""

import numpy as np
import pytest
import torch

from motes.data.augment import (
    Augmentation,
    Box,
    blur,
    erase,
    flip,
    jitter_colours,
    moving_crop,
    random_frames,
    replace_patches,
    reverse_time,
)
from motes.data.sample import Sample
from motes.errors import InputError

T, H, W = 6, 72, 96
NOTHING = Augmentation(erase=0, jitter=0, blur=0, flip_x=0, flip_y=0)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def draw(xy, size=(W, H), width=1.5, grey=20):
    """Frames ``[T, 3, H, W]`` with a bright spot at the position ``[T, 2]`` of each frame."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    distance = np.hypot(x - xy[:, 0, None, None], y - xy[:, 1, None, None])
    spots = grey + 200 * np.exp(-(distance**2) / (2 * width**2))
    return torch.from_numpy(spots.round().astype(np.uint8))[:, None].repeat(1, 3, 1, 1)


def centre(frame, around, radius=6, grey=20):
    """Position of the spot in a frame ``[3, H, W]``: its centre of mass."""
    x, y = np.meshgrid(np.arange(frame.shape[-1]), np.arange(frame.shape[-2]))
    near = (np.abs(x - around[0]) < radius) & (np.abs(y - around[1]) < radius)
    mass = np.where(near, frame[0].float().numpy() - grey, 0).clip(0)
    return np.array([(mass * x).sum(), (mass * y).sum()]) / mass.sum()


def spot(start=(40.0, 30.0), step=(2.25, 1.5)):
    """A clip with one moving spot, and its track."""
    xy = np.array(start) + np.arange(T)[:, None] * step
    seen = torch.ones(T, 1, dtype=torch.bool)
    return Sample(draw(xy), torch.tensor(xy[:, None], dtype=torch.float32), seen, seen)


def many(N=300, seed=0):
    """A noisy clip with points everywhere, all visible."""
    rng = np.random.default_rng(seed)
    video = torch.from_numpy(rng.integers(0, 255, (T, 3, H, W), np.uint8))
    xy = torch.from_numpy(rng.uniform(-0.5, [W - 0.5, H - 0.5], (T, N, 2)).astype(np.float32))
    seen = torch.ones(T, N, dtype=torch.bool)
    return Sample(video, xy, seen, seen)


def follows(sample, tolerance, grey=20):
    """Whether the spot is at the tracked position, in every frame where it is well inside."""
    W, H = sample.size
    checked = 0
    for t in range(sample.num_frames):
        x, y = sample.xy[t, 0].tolist()
        if 6 < x < W - 7 and 6 < y < H - 7:
            assert sample.visible[t, 0]
            found = centre(sample.video[t], (x, y), grey=grey)
            assert np.abs(found - [x, y]).max() < tolerance
            checked += 1
    return checked > 0


@pytest.mark.parametrize("x", [False, True])
@pytest.mark.parametrize("y", [False, True])
def test_flips_are_exact(x, y):
    flipped = flip(spot(), x=x, y=y)
    assert follows(flipped, 0.02)
    assert torch.equal(flip(flipped, x=x, y=y).video, spot().video)


def test_time_is_reversed():
    sample, back = spot(), reverse_time(spot())
    assert follows(back, 0.02)
    assert torch.equal(back.xy.flip(0), sample.xy)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("crop", [(48, 64), (100, 120)])
def test_the_truth_follows_the_moving_crop(seed, crop):
    config = Augmentation(crop=crop, pad=9, scale=(0.7, 1.9), shift_step=3)
    cropped = moving_crop(spot(), np.random.default_rng(seed), config)
    assert cropped.video.shape == (T, 3, *crop)
    assert follows(cropped, 0.12)


def test_the_moving_crop_moves_and_scales():
    config = Augmentation(crop=(40, 40), pad=0, scale=(1.0, 1.0), shift_step=6)
    sample = spot(step=(0, 0))
    track = moving_crop(sample, np.random.default_rng(3), config).xy[:, 0]
    assert len(torch.unique(track.round(), dim=0)) > 2


def test_points_outside_of_the_crop_are_invisible(rng):
    sample = many()
    cropped = moving_crop(sample, rng, Augmentation(crop=(40, 40), pad=0))
    x, y = cropped.xy.unbind(-1)
    inside = (x >= -0.5) & (x < 39.5) & (y >= -0.5) & (y < 39.5)
    assert torch.equal(cropped.visible, inside)
    assert 0.02 < inside.float().mean() < 0.7
    assert torch.equal(cropped.valid, sample.valid)


def test_padding_is_black(rng):
    video = torch.full((2, 3, 30, 30), 200, dtype=torch.uint8)
    nothing = torch.zeros(2, 0, dtype=torch.bool)
    sample = Sample(video, torch.zeros(2, 0, 2), nothing, nothing)
    config = Augmentation(crop=(60, 60), pad=24, scale=(0.1, 0.1), scale_step=0, margin=0)
    cropped = moving_crop(sample, rng, config).video
    assert set(cropped.unique().tolist()) >= {0, 200}


@pytest.mark.parametrize("cover", [erase, replace_patches])
def test_only_covered_points_are_occluded(rng, cover):
    sample = many()
    covered = cover(sample, rng, Augmentation(erase=1, replace=1, patch_side=(5, 30)))
    assert torch.equal(covered.video[0], sample.video[0])
    assert covered.visible[0].all()
    changed = (covered.video != sample.video).any(1)
    x, y = (sample.xy + 0.5).floor().long().unbind(-1)
    at_points = torch.stack([changed[t, y[t], x[t]] for t in range(T)])
    assert not (at_points & covered.visible).any()
    assert (at_points == ~covered.visible).float().mean() > 0.98  # noise may keep its value
    assert 0.05 < at_points[1:].float().mean() < 0.95


def test_erased_rectangles_have_their_mean_colour(rng):
    sample = many()
    erased = erase(sample, rng, Augmentation(erase=1, patches=(1, 1), patch_side=(20, 20)))
    for t in range(1, T):
        changed = (erased.video[t] != sample.video[t]).any(0)
        assert len(torch.unique(erased.video[t][:, changed], dim=1).T) == 1
        before = sample.video[t][:, changed].float().mean(1)
        assert (before - erased.video[t][:, changed][:, 0]).abs().max() < 3


def test_a_rectangle_holds_the_pixels_it_covers():
    xy = torch.tensor([[1.5, 1.5], [1.49, 1.5], [4.49, 2.49], [4.5, 2.0]])
    assert Box(2, 2, 5, 3).contains(xy).tolist() == [True, False, True, False]


def test_colours_change_but_positions_do_not(rng):
    sample = spot()
    video = jitter_colours(sample.video, rng, Augmentation())
    assert not torch.equal(video, sample.video)
    for t in range(T):
        at = sample.xy[t, 0].tolist()
        floor = float(video[t, 0].median())
        assert np.abs(centre(video[t], at, grey=floor) - at).max() < 0.05


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"brightness": 0.3}, "ratio"),
        ({"saturation": 0.5, "hue": 0.2}, "grey"),
        ({"contrast": 0.5}, "mean"),
    ],
)
def test_each_change_of_colour_has_its_invariant(rng, change, kept):
    off = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
    video = torch.from_numpy(rng.integers(90, 160, (3, 3, 8, 8), np.uint8))
    found = jitter_colours(video, rng, Augmentation(**off | change)).float()
    grey = torch.tensor([0.299, 0.587, 0.114])
    before, after = (torch.einsum("tchw,c->thw", v.float(), grey) for v in (video, found))
    spread = {
        "ratio": (found / video).flatten(1).std(1).max() < 0.01,
        "grey": (before - after).abs().max() < 1.5,
        "mean": (before.mean((1, 2)) - after.mean((1, 2))).abs().max() < 1,
    }
    assert spread[kept]
    assert (found - video).abs().max() > 3


def test_no_change_of_colour_is_the_identity(rng):
    video = many().video
    off = Augmentation(brightness=0, contrast=0, saturation=0, hue=0)
    assert torch.equal(jitter_colours(video, rng, off), video)


def test_blur_keeps_the_position_and_the_sum(rng):
    sample = spot()
    video = blur(sample.video, rng, Augmentation(blur_sigma=(1.9, 2.0)))
    assert (video.amax((1, 2, 3)) < sample.video.amax((1, 2, 3)) - 40).all()
    assert abs(float(video.float().mean() - sample.video.float().mean())) < 0.5
    for t in range(T):
        at = sample.xy[t, 0].tolist()
        assert np.abs(centre(video[t], at, radius=9) - at).max() < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_truth_follows_all_steps_together(seed):
    config = Augmentation(crop=(64, 80), erase=0, jitter=0, pad=5, shift_step=3, reverse=0.5)
    varied = config(spot(), np.random.default_rng(seed))
    assert varied.size == (80, 64)
    assert follows(varied, 0.15)


def test_the_same_seed_gives_the_same_sample():
    config = Augmentation(crop=(48, 48), replace=0.5, jitter=1, blur=1)
    one, two, other = (config(many(), np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(one.video, two.video)
    assert torch.equal(one.xy, two.xy)
    assert not torch.equal(one.xy, other.xy)


def test_without_any_change_a_sample_stays_as_it_is(rng):
    sample = many()
    assert torch.equal(NOTHING(sample, rng).video, sample.video)
    assert torch.equal(NOTHING(sample, rng).xy, sample.xy)


def test_no_points_at_all(rng):
    nothing = torch.zeros(T, 0, dtype=torch.bool)
    sample = Sample(many().video, torch.zeros(T, 0, 2), nothing, nothing)
    varied = Augmentation(crop=(48, 64), replace=0.5, jitter=1, blur=1)(sample, rng)
    assert varied.video.shape == (T, 3, 48, 64)


def test_a_batch_is_refused(rng):
    from motes.data.sample import collate

    with pytest.raises(InputError, match="expected one sample, got a batch of 2"):
        NOTHING(collate([many(), many()]), rng)


@pytest.mark.parametrize(
    ("num_frames", "length", "max_stride", "strides"),
    [(24, 24, 4, {1}), (25, 5, 3, {1, 2, 3}), (10, 5, 9, {1, 2}), (7, 1, 4, {1})],
)
def test_frames_are_drawn_from_the_video(rng, num_frames, length, max_stride, strides):
    drawn = [random_frames(num_frames, length, rng, max_stride) for _ in range(200)]
    assert {frames.step for frames in drawn} == strides
    assert all(len(frames) == length for frames in drawn)
    assert all(frames[0] >= 0 and frames[-1] < num_frames for frames in drawn)
    if num_frames > length:
        assert len({frames.start for frames in drawn}) > 1


def test_a_video_that_is_too_short_is_refused(rng):
    with pytest.raises(InputError, match="at least 24 frames, got 8"):
        random_frames(8, 24, rng)
