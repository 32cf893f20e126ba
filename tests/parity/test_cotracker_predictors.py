"""`compat="official"` gives what the published predictors give."""

import numpy as np
import pytest

from motes.tracking.official import OfficialTracker

PIXELS = 1e-3


KEPT = {}
"""Features of the last few videos, by checkpoint: several fixtures share a video."""


@pytest.fixture(autouse=True)
def encode_once(monkeypatch, golden):
    key = golden.meta["manifest"], str(golden.meta["video"])
    encode = OfficialTracker._features

    def features(tracker, *inputs):
        if key not in KEPT:
            KEPT[key] = encode(tracker, *inputs)
            if len(KEPT) > 4:
                KEPT.pop(next(iter(KEPT)))
        return KEPT[key]

    monkeypatch.setattr(OfficialTracker, "_features", features)


def ellipse(W, H):
    """The mask of the fixtures, by the formula in their metadata."""
    y, x = np.mgrid[:H, :W]
    return ((x - 0.55 * W) / (0.3 * W)) ** 2 + ((y - 0.45 * H) / (0.35 * H)) ** 2 < 1


def arguments(golden):
    """The reference's keywords in our words."""
    call = golden.meta["call"]
    given = {"backward": call.get("backward_tracking", False), "at": call.get("grid_query_frame")}
    if "queries" in golden.data:
        given["queries"] = golden["queries"][0]
    if "grid_size" in call:
        given["grid"] = call["grid_size"]
    if "segm_mask" in golden.meta:
        H, W = golden.frames.shape[1:3]
        given["mask"] = ellipse(W, H)
    if golden.meta["kind"] == "CoTrackerOnlinePredictor":
        given["support"] = call.get("add_support_grid", False)
    return given


@pytest.mark.golden("cotracker?/pred_*")
def test_predictor(load, golden):
    online = golden.meta["kind"] == "CoTrackerOnlinePredictor"
    tracker = load(golden, "official-online" if online else "official")
    tracks = tracker.track(golden.frames, **arguments(golden))
    assert np.abs(tracks.xy - golden["tracks"][0].transpose(1, 0, 2)).max() < PIXELS
    differ = tracks.visible != golden["visibility"][0].T
    assert not differ.any()


@pytest.mark.golden("cotracker?/eval_*")
def test_benchmark(load, golden):
    tracker = load(golden, "official-eval")
    joint = not golden.meta["single_point"]
    tracks = tracker.track(golden.frames, golden["queries"][0], joint=joint)
    N = len(tracks)
    assert np.abs(tracks.xy - golden["tracks"][0].transpose(1, 0, 2)[:N]).max() < PIXELS
    assert np.abs(tracks.confidence - golden["visibility"][0].T[:N]).max() < 1e-4


@pytest.mark.golden("cotracker?/*_f_short*")
def test_no_window(load, golden):
    """Videos of at most half a window: zeros, and undecided."""
    tracks = load(golden, "official-eval").track(golden.frames, golden["queries"][0])
    assert (tracks.xy == golden["tracks"][0].transpose(1, 0, 2)).all()
    expected = golden["visibility"][0].T
    if "confidence" in golden.data:
        expected = expected * golden["confidence"][0].T
    assert (tracks.confidence == expected).all()
