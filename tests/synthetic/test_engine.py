"""Clips from seeds: reproducible, independent of each other, of the configured shapes."""

import math
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from motes.data.sample import collate
from motes.errors import FileError, InputError
from motes.synthetic import SyntheticClips, SyntheticConfig, Textures, synthesize
from motes.synthetic.dice import Dice
from motes.synthetic.engine import _offset, expose
from motes.synthetic.motion import dart
from motes.synthetic.scene import inside

SMALL = SyntheticConfig(frames=5, size=(48, 64), points=32, layers=(2, 3), objects=(2, 3))


def same(one, other) -> bool:
    names = ("video", "xy", "visible", "valid")
    return all(torch.equal(getattr(one, n), getattr(other, n)) for n in names)


@pytest.mark.parametrize("kind", ["layers", "solids", "mixed"])
def test_samples_have_the_configured_shapes(kind):
    sample = synthesize(replace(SMALL, kind=kind), [7])[0]
    assert sample.video.shape == (5, 3, 48, 64)
    assert sample.xy.shape == (5, 32, 2)
    assert sample.video.float().std() > 1
    assert sample.xy.isfinite().all()
    assert inside(sample.xy, SMALL.size)[sample.visible].all()
    assert sample.valid[sample.visible].all()
    assert sample.visible.any(0).float().mean() > 0.9  # nearly all are seen at some time


@pytest.mark.parametrize("kind", ["layers", "solids"])
def test_a_clip_depends_only_on_its_seed(kind):
    config = replace(SMALL, kind=kind)
    together = synthesize(config, [3, 4, 5])
    alone = synthesize(config, [4])[0]
    torch.manual_seed(99)
    assert same(together[1], alone)
    assert same(synthesize(config, [4])[0], alone)
    assert not torch.equal(together[0].video, together[1].video)
    assert collate(together).video.shape == (3, 5, 3, 48, 64)


def test_the_number_of_points_does_not_change_the_video():
    few, many = (synthesize(replace(SMALL, points=n), [6])[0] for n in (8, 64))
    assert torch.equal(few.video, many.video)


def test_endless_clips_continue_and_are_shared_by_workers():
    clips = SyntheticClips(SMALL, seed=1)
    first = list(islice(clips, 4))
    assert same(next(iter(SyntheticClips(SMALL, seed=1, start=2))), first[2])
    assert same(next(islice(SyntheticClips(SMALL, seed=1, start=1, step=2), 1, 2)), first[3])
    loaded = islice(
        DataLoader(clips, batch_size=None, num_workers=2, multiprocessing_context="spawn"), 4
    )
    assert all(same(a, b) for a, b in zip(loaded, first, strict=True))


def test_exposure_is_centred_on_the_frame():
    """A scene that shows its time: the average over the exposure is the time of the frame."""

    class Clock:
        def render(self, times, offset):
            return times[:, None, None, None] + torch.tensor(offset)[None, :, None, None] * 0

    times = torch.arange(4, dtype=torch.float64)
    for samples in range(1, 8):
        shown = expose(Clock(), times, shutter=0.8, samples=samples)
        torch.testing.assert_close(shown[:, 0, 0, 0], times)
        offsets = torch.tensor([_offset(k, samples) for k in range(samples)])
        assert (offsets.mean(0).abs() < 1e-6).all() and (offsets.abs() <= 0.4).all()


def test_an_exposure_blurs_images_but_not_tracks():
    config = replace(SMALL, kind="layers", effects=False, lighting=False, speed=(0.05, 0.06))
    sharp, smeared = (synthesize(replace(config, shutter=s), [2])[0] for s in (0.0, 1.0))
    assert torch.equal(sharp.xy, smeared.xy)
    assert not torch.equal(sharp.video, smeared.video)


def test_photographs_are_used(tmp_path):
    red = np.zeros((60, 80, 3), np.uint8)
    red[..., 2] = 200
    cv2.imwrite(str(tmp_path / "red.png"), red)
    textures = Textures(tmp_path, procedural=0)
    config = replace(SMALL, kind="layers", textures=str(tmp_path), procedural=0, effects=False)
    sample = synthesize(replace(config, lighting=False), [1], textures=textures)[0]
    r, g, b = sample.video.float().mean((0, 2, 3))
    assert r > 2 * g and r > 2 * b


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "solid"}, "kind: expected one of mixed, layers, solids, got 'solid'"),
        ({"textures": 5}, "textures: expected a folder or None, got 5"),
        ({"size": (16, 64)}, "size: expected at least 32x32"),
        ({"frames": 0}, "frames: expected at least 1, got 0"),
        ({"points": 0}, "points: expected at least 1"),
        ({"layers": (3, 2)}, r"layers: expected 0 <= low <= high, got \(3, 2\)"),
        ({"samples": (0, 2)}, "samples: expected 1 <= low"),
        ({"shutter": 1.5}, r"shutter: expected a number in 0..1, got 1.5"),
        ({"movers": 3}, "movers: expected two numbers, got 3"),
        ({"movers": (0, 0.5)}, "movers: expected whole numbers, got 0.5"),
        ({"mover_speed": (1, math.inf)}, r"mover_speed: expected 1e-06 <= low <= high, got"),
        ({"still": None}, "still: expected real numbers, got object None"),
        ({"defocus": [0.5]}, r"defocus: expected a number, got \[0.5\]"),
        ({"video_coding": "1"}, "video_coding: expected real numbers, got <U1 '1'"),
        ({"size": (64.5, 64)}, "size: expected whole numbers, got 64.5"),
        ({"frames": 2.5}, "frames: expected whole numbers, got 2.5"),
    ],
)
def test_bad_settings_are_reported(changes, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)


def test_bad_devices_and_textures_are_reported(tmp_path):
    with pytest.raises(InputError, match="device: nonsense cannot be used"):
        synthesize(SMALL, [0], device="nonsense")
    with pytest.raises(FileError, match="expected a folder of images"):
        Textures(tmp_path / "missing")
    with pytest.raises(FileError, match="no image in"):
        Textures(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(FileError, match=r"^textures: .*broken.png: expected an image"):
        synthesize(replace(SMALL, kind="layers", textures=str(tmp_path), procedural=0), [0])


def test_one_frame_is_enough():
    assert synthesize(replace(SMALL, frames=1), [0])[0].xy.shape == (1, 32, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", ["layers", "solids"])
def test_geometry_is_the_same_on_a_gpu(kind):
    config = replace(SMALL, kind=kind)
    here, there = synthesize(config, [2])[0], synthesize(config, [2], device="cuda")[0].to("cpu")
    torch.testing.assert_close(here.xy, there.xy)


@pytest.mark.parametrize(
    ("kind", "seed", "positions", "brightness", "seen"),
    [
        ("layers", 3, (5.111, 47.139, 48.328, 27.286), 111.766, 139),
        ("layers", 11, (15.281, 2.321, 5.466, 18.855), 169.126, 151),
        ("solids", 3, (46.214, 4.043, 4.046, 37.47), 123.644, 138),
        ("solids", 8, (2.785, 37.515, 16.288, 13.608), 75.398, 145),
        ("mixed", 20, (44.301, 4.516, 26.534, 19.013), 117.205, 160),
    ],
)
def test_a_seed_gives_the_clip_that_it_always_gave(kind, seed, positions, brightness, seen):
    """New fields of the configuration draw no random numbers while they have their defaults."""
    sample = synthesize(replace(SMALL, kind=kind), [seed])[0]
    found = (*sample.xy[2, 0].tolist(), *sample.xy[4, 31].tolist())
    assert found == pytest.approx(positions, abs=2e-3)
    assert float(sample.video.float().mean()) == pytest.approx(brightness, abs=0.01)
    assert int(sample.visible.sum()) == seen


STILL = replace(SMALL, kind="layers", frames=12, still=1.0, effects=False, lighting=False, ripple=0)


def test_in_still_clips_only_movers_move():
    nothing = synthesize(STILL, [4])[0]
    assert (nothing.video == nothing.video[:1]).all()
    config = replace(STILL, movers=(4, 4), mover_radius=(0.08, 0.1), mover_speed=(0.02, 0.04))
    moved = 0
    for sample in synthesize(replace(config, points=64), [4, 5, 6]):
        away = (sample.xy - sample.xy[:1]).norm(dim=-1).amax(0)
        moved += int((away > 1).sum())
        assert (away[away <= 1] < 1e-3).all()
    assert moved > 20  # of 192: movers are small, but get tracks


def test_a_dart_passes_its_positions_pauses_and_stays_within_reach():
    reach, times = torch.tensor([40.0, 30.0]).double(), torch.arange(0, 200, 0.25).double()
    paths = [dart(Dice(seed), 3.0, 200, reach) for seed in range(8)]
    for path in paths:
        torch.testing.assert_close(path.at(path.times), path.positions)
        assert (path.at(times).abs() <= 1.3 * reach).all()
    steps = torch.stack([path.at(times).diff(dim=0).norm(dim=-1) for path in paths])
    assert (steps == 0).any(1).sum() > 4  # most of them rest at some time
    assert steps.max() < 3.0  # of a quarter of a frame each: without jumps


@pytest.mark.parametrize("kind", ["layers", "solids"])
def test_repeated_textures_and_effects_change_pictures_but_not_sizes(kind):
    shares = {"repeated": 1.0, "light_changes": 1.0, "defocus": 1.0, "video_coding": 1.0}
    sample = synthesize(replace(SMALL, kind=kind, size=(49, 63), **shares), [7])[0]
    assert sample.video.shape == (5, 3, 49, 63)
    assert sample.video.float().std() > 1
