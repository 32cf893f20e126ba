from dataclasses import replace

import numpy as np
import pytest

from motes.coordinates import ResizeRule
from motes.errors import InputError
from motes.eval.metrics import check_mode
from motes.eval.protocols import (
    COTRACKER_JOINT,
    COTRACKER_ONLINE,
    NATIVE,
    PROTOCOLS,
    TAPVID,
    choose_queries,
    find_protocol,
)
from motes.models.cotracker3 import CoTracker3, CoTracker3Config
from motes.models.preset import Preset
from motes.tracking.tracker import Tracker


def test_first_queries_the_first_visible_frame():
    visible = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]], bool)
    points, frames = choose_queries(visible, "first")
    assert list(zip(points, frames, strict=True)) == [(0, 2), (2, 0)]


def test_strided_queries_every_fifth_frame():
    visible = np.zeros((3, 12), bool)
    visible[0, [0, 5, 6]] = visible[1, [5, 10, 11]] = True
    points, frames = choose_queries(visible, "strided")
    assert list(zip(points, frames, strict=True)) == [(0, 0), (0, 5), (1, 5), (1, 10)]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
@pytest.mark.parametrize("size", [(256, 256), (640, 360)])
def test_raster_and_pixels_are_inverse(protocol, size):
    raster = np.random.default_rng(0).uniform(-0.2, 1.2, (50, 2))
    there = protocol.pixels(raster, size)
    np.testing.assert_allclose(protocol.raster(there, size), raster, atol=1e-12)


def test_corners_of_the_raster():
    corners = [[0, 0], [1, 1]]
    assert TAPVID.pixels(corners, (256, 256)).tolist() == [[-0.5, -0.5], [255.5, 255.5]]
    assert NATIVE.pixels(corners, (64, 48)).tolist() == [[-0.5, -0.5], [63.5, 47.5]]
    assert COTRACKER_JOINT.pixels(corners, (256, 256)).tolist() == [[0, 0], [255, 255]]


def test_frames_are_resized_or_not():
    assert TAPVID.frame_size((640, 360)) == (256, 256)
    assert NATIVE.frame_size((640, 360)) == (640, 360)


def test_published_models_are_run_as_their_own_evaluation_does():
    small = {"channels": 16, "width": 48, "heads": 2, "virtual_tracks": 4, "match_hidden": 32}
    model = CoTracker3(CoTracker3Config(**small))
    preset = Preset("small", "", CoTracker3, resize=ResizeRule(size=(384, 512)))
    published = Tracker(model, preset)
    ours = Tracker(model, replace(preset, resize=ResizeRule(size=(256, 256))))
    assert COTRACKER_JOINT.adapt(published).mode == "official-eval"
    assert COTRACKER_JOINT.adapt(published).model is model
    assert COTRACKER_ONLINE.adapt(published).mode == "official-online"
    assert COTRACKER_JOINT.adapt(ours) is ours
    assert TAPVID.adapt(published) is published


def test_unknown_names_get_a_suggestion():
    assert find_protocol("tapvid") is TAPVID
    with pytest.raises(InputError, match="did you mean 'tapvid'"):
        find_protocol("tap-vid")
    assert check_mode("strided") == "strided"
    with pytest.raises(InputError, match="expected one of first, strided"):
        check_mode("last")
