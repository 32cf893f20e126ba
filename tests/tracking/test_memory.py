import re
import weakref

import numpy as np
import pytest
import torch

import motes
from motes import InputError
from motes.features.flow_fields import FLOW_CACHE_BYTES
from motes.models.base import FeatureMaps, PointModel, Schedule
from motes.tracking.memory import frame_bytes, make_plan, parse_bytes


class Heavy(PointModel):
    """1 kB of features a frame, 10 bytes a point and frame."""

    schedule, point_bytes = Schedule(8, 4, final=4), 10

    def encode(self, video):
        return FeatureMaps((torch.zeros(1, video.shape[1], 1, 10, 25),))

    def start(self, queries, num_frames=None, schedule=None):
        raise NotImplementedError

    def advance(self, state, features, queries, start, iterations=None, cache=None):
        raise NotImplementedError


ENCODING = 1000 * (8 + 8)
POINT = 10 * 8


@pytest.mark.parametrize(
    ("limit", "num_points", "keep", "points", "features"),
    [
        (ENCODING + 100 * POINT, 50, False, 50, 0),
        (ENCODING + 100 * POINT, 500, False, 100, 0),
        (1 << 20, 500, True, 500, 100_000),
        (1 << 17, 50, True, 50, 1 << 16),
    ],
)
def test_the_plan_stays_within_the_limit(limit, num_points, keep, points, features):
    plan = make_plan(Heavy(), Heavy.schedule, (64, 48), num_points, 100, limit, keep)
    assert (plan.points, plan.features) == (points, features)
    assert plan.peak <= limit


def test_pixels_take_memory_whatever_the_number_of_points():
    model, limit = Heavy(), 1 << 20
    model.pixel_bytes = 7
    peaks = [
        make_plan(m, m.schedule, (64, 48), 50, 100, limit, False).peak for m in (model, Heavy())
    ]
    assert peaks[0] - peaks[1] == 7 * 64 * 48


def test_what_cannot_fit_is_said_before_any_work():
    with pytest.raises(InputError, match=r"memory: expected at least \d+M for windows of 8 frames"):
        make_plan(Heavy(), Heavy.schedule, (64, 48), 5, 100, ENCODING, keep=False)


@pytest.mark.parametrize(("cache", "keep"), [(0, False), (10 << 20, False), (10 << 20, True)])
def test_the_memory_that_is_asked_for_is_enough(cache, keep):
    """The cache and the kept features take shares of it, which grow with it."""
    model = Heavy()
    model.pixel_bytes, model.cache_bytes = 1000, cache
    arguments = model, Heavy.schedule, (64, 48), 5, 100_000
    with pytest.raises(InputError) as error:
        make_plan(*arguments, 1 << 20, keep)
    asked = re.search(r"at least (\d+M)", str(error.value))[1]
    assert make_plan(*arguments, parse_bytes(asked), keep).points >= 1
    with pytest.raises(InputError):
        make_plan(*arguments, parse_bytes(asked) - (1 << 20), keep)


def test_each_session_and_stream_has_a_flow_cache_that_its_memory_allows():
    """So one with little memory makes no other one slow."""
    video = np.random.default_rng(0).integers(0, 255, (24, 48, 64, 3)).astype(np.uint8)
    session = motes.load("flow").session(video)
    free = session.track(grid=3)
    known = session.cache.nbytes
    tight = motes.load("flow", memory="2400k").session(video)
    assert tight.track(grid=3) == free
    assert tight.plan(9).cache == tight.cache.limit == 600 << 10
    assert tight.cache.nbytes <= tight.cache.limit < known
    assert session.track(grid=3) == free
    assert session.cache.nbytes == known
    assert session.cache.limit == motes.load("flow").stream()._cache.limit == FLOW_CACHE_BYTES
    assert motes.load("flow", memory="2400k").stream()._cache.limit == 600 << 10


def test_a_session_computes_the_flow_once(monkeypatch):
    video = np.random.default_rng(0).integers(0, 255, (4, 48, 64, 3)).astype(np.uint8)
    session = motes.load("flow").session(video)
    session.track([(0, 20, 20)], backward=True)
    monkeypatch.setattr("motes.features.flow_fields._search", None)
    session.track([(0, 30, 30)], backward=True)


@pytest.mark.parametrize(
    ("text", "size"), [("2G", 2 << 30), ("512M", 512 << 20), ("1.5k", 1536), ("7", 7), (99, 99)]
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "two", "-1G", "0"])
def test_sizes_that_are_none(text):
    with pytest.raises(InputError, match="memory: expected a size such as 2G"):
        parse_bytes(text)


def test_a_limit_changes_the_parts_but_not_the_tracks():
    """Lucas-Kanade's points do not see each other, so parts must give the same."""
    video = np.random.default_rng(0).integers(0, 255, (10, 48, 64, 3)).astype(np.uint8)
    free = motes.load("lk").track(video, dense=6, backward=True, at=4)
    tight = motes.load("lk", memory=(180 << 10) + frame_bytes((64, 48)))
    session = tight.session(video)
    assert session.plan(free.num_points).points < free.num_points
    assert session.track(dense=6, backward=True, at=4) == free


def test_frames_in_work_are_part_of_the_plan():
    video = np.zeros((3, 480, 640, 3), np.uint8)
    need = frame_bytes((640, 480))
    assert need == 640 * 480 * (3 * 8 + 3 + 12 + 12)  # waiting, uint8, float32, in the decoder
    assert frame_bytes((7680, 4320)) == 7680 * 4320 * (3 * 1 + 3 + 12 + 12)  # only one waits
    with pytest.raises(InputError, match="memory: expected at least"):
        motes.load("lk", memory=need).track(video, grid=2)


def test_frames_are_resized_one_by_one():
    """A chunk of large frames is never in memory at once."""
    alive, most = [], []

    def frames():
        for number in range(40):
            frame = np.full((48, 64, 3), number, np.uint8)
            alive.append(weakref.ref(frame))
            most.append(sum(held() is not None for held in alive))
            yield frame
            del frame

    motes.load("lk").track(frames(), grid=2)
    assert len(most) == 40
    assert max(most) <= 8 + 4  # those that wait, and those in the hands of somebody


def test_dense_takes_every_pixel():
    video = np.zeros((3, 12, 16, 3), np.uint8)
    tracker = motes.load("lk")
    assert tracker.track(video, dense=1).num_points == 12 * 16
    some = tracker.track(video, dense=5, at=1)
    assert some.queries.tolist() == [[1, x, y] for y in (0, 5, 10) for x in (0, 5, 10, 15)]
    mask = np.zeros((12, 16), bool)
    mask[5, 5] = True
    assert tracker.track(video, dense=5, mask=mask).queries.tolist() == [[0, 5, 5]]
    mask[:] = False
    mask[1, 1] = True
    with pytest.raises(InputError, match="dense: expected every 5th pixel"):
        tracker.track(video, dense=5, mask=mask)
    with pytest.raises(InputError, match="dense: expected a spacing"):
        tracker.track(video, dense=0)
