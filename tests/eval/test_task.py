from dataclasses import replace

import numpy as np
import pytest
import torch

import motes
from motes.coordinates import ResizeRule, raster_to_pixels
from motes.errors import FileError
from motes.eval.protocols import (
    COTRACKER_JOINT,
    COTRACKER_ONLINE,
    COTRACKER_SINGLE,
    NATIVE,
    PROTOCOLS,
    TAPVID,
)
from motes.eval.task import Task
from motes.models.cotracker3 import CoTracker3, CoTracker3Config
from motes.models.preset import Preset, Support
from motes.tracking.tracker import Tracker

TRUE = {"atol": 1e-3}


def hidden(N=6, T=8):
    """Point 1 is first visible in frame 3, point 2 in frame 5; point 3 never."""
    occluded = np.zeros((N, T), bool)
    occluded[1, :3] = occluded[2, :5] = occluded[3] = True
    return occluded


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
@pytest.mark.parametrize("mode", ["first", "strided"])
def test_true_tracks_score_one(one_clip, protocol, mode):
    task = Task.of(one_clip(occluded=hidden()), protocol, mode)
    xy = protocol.pixels(task.raster, task.frame_size)
    tracks = motes.Tracks(xy, ~task.occluded, queries=task.queries, size=task.frame_size)
    assert set(task.score(tracks).values()) == {1.0}


def test_queries_lie_on_the_true_tracks(one_clip):
    clip = one_clip(occluded=hidden())
    task = Task.of(clip, NATIVE, "first")
    assert task.query_frames.tolist() == [0, 3, 5, 0, 0]
    chosen = clip.tracks.xy[[0, 1, 2, 4, 5]]
    np.testing.assert_allclose(task.queries[:, 1:], chosen[range(5), task.query_frames], **TRUE)


def test_frames_are_of_256_pixels(one_clip):
    assert Task.of(one_clip(), TAPVID, "first").frames.shape == (8, 256, 256, 3)
    assert Task.of(one_clip(), NATIVE, "first").frames.shape == (8, 96, 128, 3)


def test_a_shift_is_measured_at_256_pixels(one_clip):
    """In a video of 128 x 96, 3 pixels along x are 6 of the raster; 4 along y are more than 10."""
    task = Task.of(one_clip(), NATIVE, "first")
    for shift, within in (([3, 0], 8), ([0, 4], 16)):
        xy = raster_to_pixels(task.raster, task.frame_size) + np.float32(shift)
        score = task.score(motes.Tracks(xy, ~task.occluded, size=task.frame_size))
        assert score[f"pts_within_{within}"] == 1
        assert score[f"pts_within_{within // 2}"] == 0


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_tracks_are_mapped_to_the_pixels_of_the_video(one_clip, protocol):
    clip = one_clip()
    task = Task.of(clip, protocol, "first")
    xy = protocol.pixels(task.raster, task.frame_size)
    tracks = motes.Tracks(xy, ~task.occluded, queries=task.queries, size=task.frame_size)
    back = task.on_video(tracks)
    np.testing.assert_allclose(back.xy, clip.tracks.xy, **TRUE)
    np.testing.assert_allclose(back.queries[:, 1:], clip.tracks.xy[:, 0], **TRUE)
    assert (back.size, back.fps) == (clip.tracks.size, clip.tracks.fps)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
@pytest.mark.parametrize("mode", ["first", "strided"])
def test_lucas_kanade_follows_the_plane(one_clip, protocol, mode):
    task = Task.of(one_clip(occluded=hidden()), protocol, mode)
    score = task.score(task.track(motes.load("lk")))
    assert score["average_pts_within_thresh"] > 0.8


def tracked(tracker, task, rows):
    """The tracks of some queries of a task, without the others."""
    part = Task(
        **vars(task)
        | {k: getattr(task, k)[rows] for k in ("queries", "raster", "occluded", "annotated")}
    )
    return part.track(tracker)


@pytest.mark.parametrize("protocol", [TAPVID, NATIVE, COTRACKER_SINGLE], ids=lambda p: p.name)
@pytest.mark.parametrize("mode", ["first", "strided"])
@pytest.mark.parametrize("window", [4, None])
def test_independent_tracks_do_not_depend_on_other_queries(one_clip, herd, protocol, mode, window):
    tracker = herd(window, support=Support(global_grid=2, local_grid=2, below=10))
    task = Task.of(one_clip(occluded=hidden()), protocol, mode)
    together = task.track(tracker)
    for row in range(len(task.queries)):
        alone = tracked(tracker, task, [row])
        np.testing.assert_array_equal(alone.xy[0], together.xy[row])
        np.testing.assert_array_equal(alone.visible[0], together.visible[row])


def test_joint_tracks_depend_on_other_queries(one_clip, herd):
    task = Task.of(one_clip(), COTRACKER_JOINT, "first")
    alone = tracked(herd(), task, [0])
    assert np.abs(alone.xy[0, 1:] - task.track(herd()).xy[0, 1:]).max() > 0.2


def test_independent_tracks_of_a_real_model_do_not_depend_on_other_queries(one_clip):
    torch.manual_seed(0)
    small = {"channels": 16, "width": 48, "heads": 2, "virtual_tracks": 4, "match_hidden": 32}
    config = CoTracker3Config(iterations=2, unit=(64, 64), **small)
    support = Support(global_grid=5, local_grid=4, local_extent=32.0, below=8)
    preset = Preset("small", "", CoTracker3, config, ResizeRule(size=(64, 64)), support=support)
    tracker, clip = Tracker(preset.build(config).eval(), preset), one_clip(T=4, N=3)
    task = Task.of(clip, TAPVID, "first")
    together, alone = task.track(tracker), tracked(tracker, task, [1])
    np.testing.assert_allclose(alone.xy[0], together.xy[1], atol=1e-2)
    jointly = Task.of(clip, COTRACKER_JOINT, "first").track(tracker)
    assert np.abs(jointly.xy[1] - together.xy[1]).max() > 0.1


def test_frames_are_encoded_once_for_all_queries(one_clip, herd):
    tracker = herd()
    task = Task.of(one_clip(N=20), TAPVID, "strided")
    task.track(tracker)
    assert tracker.model.encoded <= len(task.frames) + 1  # one more to measure its memory


@pytest.mark.parametrize(("protocol", "points"), [(COTRACKER_JOINT, 5 + 4), (COTRACKER_ONLINE, 5)])
def test_support_points_are_given_unless_the_protocol_has_none(one_clip, herd, protocol, points):
    tracker = herd(window=None, support=Support(global_grid=2, below=10))
    occluded = np.zeros((5, 8), bool)
    Task.of(one_clip(N=5, occluded=occluded), protocol, "first").track(tracker)
    assert {queries.shape[1] for queries in tracker.model.seen} == {points}


def test_exact_zeros_are_filled_from_the_reversed_video(one_clip):
    """As CoTracker's evaluation does in mode strided."""
    task, tracker = Task.of(one_clip(T=8), COTRACKER_SINGLE, "strided"), motes.load("lk")
    complete = task.track(tracker)
    early = np.arange(8) < task.query_frames[:, None]
    assert early.any()
    xy = np.where(early[..., None], 0, complete.xy)
    filled = task._filled(replace(complete, xy=xy, visible=complete.visible & ~early), tracker)
    np.testing.assert_allclose(filled.xy, complete.xy, atol=0.1)
    assert np.array_equal(filled.xy[~early], complete.xy[~early])
    assert filled.visible[early].mean() > 0.9


def test_queries_can_be_limited(one_clip):
    task = Task.of(one_clip(N=50), TAPVID, "first", max_queries=7)
    assert len(task.queries) == 7
    assert task.raster.shape == (7, 8, 2)


def test_a_clip_without_visible_points_is_refused(one_clip):
    with pytest.raises(FileError, match="expected a visible point, got none"):
        Task.of(one_clip(occluded=np.ones((6, 8), bool)), TAPVID, "first")
