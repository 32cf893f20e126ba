"""Tracks in parts equal those of a video that starts, or ends, at the frame of the queries."""

import itertools

import numpy as np
import pytest

import motes
from motes import InputError, Tracks
from motes.tracking.parts import track_in_parts
from tracking.test_session import make_tracker

T, H, W = 40, 48, 64


@pytest.fixture(scope="module")
def video():
    noise = np.random.default_rng(0).integers(0, 255, (H // 4, (W + 2 * T) // 4, 3), np.uint8)
    plane = noise.repeat(4, 0).repeat(4, 1)
    return np.stack([plane[:, t : t + W] for t in range(T)])


@pytest.fixture(scope="module", params=["flow", "lk", "joint", "joint-offline"])
def tracker(request):
    joint = "joint" in request.param
    return make_tracker("offline" in request.param) if joint else motes.load(request.param)


@pytest.mark.parametrize("frame", [0, 5, 30, T - 1])
def test_forward_equals_a_video_that_starts_there(tracker, video, frame):
    points = [(frame, 20.25, 20), (frame, 40, 30.5)]
    parts = list(track_in_parts(tracker.session(video), points))
    whole = Tracks.concat_frames(parts)
    expected = tracker.track(video, points, start=frame)
    assert whole.frames == range(frame, T)
    np.testing.assert_allclose(whole.xy, expected.xy, atol=1e-3)
    assert np.array_equal(whole.visible, expected.visible)


@pytest.mark.parametrize("frame", [0, 29])
def test_backward_equals_the_reversed_video(tracker, video, frame):
    parts = list(track_in_parts(tracker.session(video), [(frame, 30, 20)], backward=True))
    whole = Tracks.concat_frames(parts[::-1])
    mirrored = tracker.track(video[frame::-1], [(0, 30, 20)])
    assert whole.frames == range(frame + 1)
    np.testing.assert_allclose(whole.xy, mirrored.xy[:, ::-1], atol=1e-3)
    assert np.array_equal(whole.visible, mirrored.visible[:, ::-1])


def test_the_first_part_comes_before_the_last_frame_is_decoded(video):
    session = motes.load("flow").session(video)
    first = next(track_in_parts(session, [(3, 20, 20)]))
    assert first.start == 3
    assert session.encoded.num_frames is None


def test_stopping_early_leaves_the_session_usable(video):
    session = motes.load("flow").session(video)
    list(itertools.islice(track_in_parts(session, [(3, 20, 20)]), 1))
    expected = motes.load("flow").track(video, [(0, 20, 20)])
    assert session.track([(0, 20, 20)]) == expected


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0, 1, 1), (2, 1, 1)], "one frame"),
        ([], "one frame"),
        ([(T, 1, 1)], "frame from 0 to"),
        ([(0, W, 1)], "inside"),
    ],
)
def test_bad_queries(video, points, message):
    with pytest.raises(InputError, match=message):
        next(track_in_parts(motes.load("flow").session(video), points))
