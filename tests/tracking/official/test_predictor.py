"""Arguments of the official predictors; their numbers are in parity/test_cotracker_predictors."""

import numpy as np
import pytest
import torch

from motes.errors import InputError
from motes.models import cotracker3
from motes.models.preset import Preset
from motes.tracking.load import load
from motes.tracking.official import MODES, OfficialTracker


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 255, (4, 24, 32, 3), np.uint8)


def tracker(mode):
    torch.manual_seed(0)
    config = cotracker3.CoTracker3Config(
        window=None,
        encoder_widths=(4, 6, 8, 8),
        encoder_mixed=8,
        channels=4,
        levels=2,
        radius=1,
        match_hidden=8,
        match_out=6,
        width=16,
        heads=2,
        depth=1,
        virtual_tracks=4,
        iterations=1,
    )
    preset = Preset("tiny", "", cotracker3.CoTracker3, config)
    return OfficialTracker(preset.build(config).eval(), preset, torch.float32, mode)


@pytest.mark.parametrize("mode", MODES)
def test_no_queries(mode, frames):
    assert len(tracker(mode).track(frames, [], joint=False)) == 0


@pytest.mark.parametrize("mode", MODES)
def test_frames_keep_their_numbers(mode, frames):
    tracks = tracker(mode).track(frames, [(2, 5, 6), (3, 8, 9)], start=1, backward=True)
    assert tracks.frames == range(1, 4) and tracks.size == (32, 24)
    assert tracks.queries.tolist() == [[2, 5, 6], [3, 8, 9]]


def test_only_the_offline_predictor_is_exact_at_the_query(frames):
    exact = {mode: tracker(mode).track(frames, [(2, 5, 6)]).xy[0, 2] for mode in MODES}
    assert exact["official"].tolist() == [5, 6]
    assert exact["official-eval"].tolist() != [5, 6]


def test_grid_in_a_mask(frames):
    mask = np.zeros((24, 32), bool)
    mask[:, 16:] = True
    tracks = tracker("official").track(frames, grid=4, mask=mask, at=1)
    assert len(tracks) == 8 and (tracks.queries[:, 0] == 1).all()
    assert (tracks.queries[:, 1] > 15).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"grid": 3, "at": 4}, "at: expected a frame"),
        ({"queries": [(0, 99, 0)]}, "inside the 32x24 image"),
        ({}, "width of at least 80"),
    ],
)
def test_bad_arguments(arguments, words, frames):
    with pytest.raises(InputError, match=words):
        tracker("official").track(frames, **arguments)


def test_only_for_cotrackers():
    with pytest.raises(InputError, match="expected a CoTracker for 'official', got lk"):
        load("lk", compat="official")
    with pytest.raises(InputError, match=r"unknown compat 'offical'.*'official'"):
        tracker("offical")
