"""Sessions with a joint neural model: a tiny CoTracker3 with random weights, online and offline."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

import motes
from motes import InputError
from motes.coordinates import ResizeRule
from motes.models.base import Schedule
from motes.models.cotracker3 import CoTracker3, CoTracker3Config
from motes.models.preset import Preset, Support
from motes.tracking.encoded import EncodedVideo
from motes.tracking.memory import frame_bytes, make_plan
from motes.tracking.session import Session
from motes.tracking.tracker import Tracker
from motes.tracks import Tracks
from motes.video import open_video

TINY = CoTracker3Config(
    window=8, time_rows=8, encoder_widths=(4, 8, 8, 8), encoder_mixed=16, channels=8, levels=2,
    radius=1, match_hidden=16, match_out=8, octaves=3, width=16, heads=2, depth=1,
    virtual_tracks=4, unit=(64, 48), iterations=2,
)  # fmt: skip
QUERIES = [(0, 20, 20), (3, 50.5, 30), (11, 33, 40), (18, 10, 10)]


def make_tracker(offline=False, support=None, **changes):
    config = replace(TINY, window=None) if offline else TINY
    torch.manual_seed(0)
    model = CoTracker3(config).eval()
    for head in (model.motion, model.scoring):
        torch.nn.init.normal_(head.weight, std=0.3)
    preset = Preset("tiny", "", CoTracker3, config, ResizeRule(size=(48, 64)))
    preset = replace(preset, support=support or Support())
    return Tracker(model, preset, **changes)


def video(T=20):
    return np.random.default_rng(0).integers(0, 255, (T, 60, 80, 3)).astype(np.uint8)


def assert_close(a, b, atol=1e-3):
    assert np.allclose(a.xy, b.xy, atol=atol)
    assert np.allclose(a.confidence, b.confidence, atol=1e-4)
    assert np.array_equal(a.queries, b.queries)


@pytest.mark.parametrize("offline", [False, True])
def test_the_query_point_is_exact_and_visible(offline):
    tracks = make_tracker(offline).track(video(), QUERIES)
    for n, (t, x, y) in enumerate(QUERIES):
        assert tracks.xy[n, t].tolist() == [x, y]
        assert tracks.visible[n, t]
        assert tracks.confidence[n, t] == 1
    early = np.arange(20) < tracks.queries[:, :1]
    assert (tracks.confidence[early] > 0).any() == offline  # it looks both ways


@pytest.mark.parametrize("backward", [False, True])
def test_a_session_answers_as_track_does_and_encodes_once(backward, monkeypatch):
    tracker, frames, encoded = make_tracker(), video(), []
    encode = tracker.model.encode
    monkeypatch.setattr(tracker.model, "encode", lambda v: encoded.append(v.shape[1]) or encode(v))
    session = tracker.session(frames)
    first = session.track(QUERIES, backward=backward)
    assert session.track(QUERIES, backward=backward) == first
    assert encoded == [1, 8, 8, 4]  # the first frame shows how much memory features take
    assert_close(tracker.track(frames, QUERIES, backward=backward), first)


def test_backward_fills_the_frames_before_the_query_and_leaves_the_others():
    tracker, frames = make_tracker(), video()
    ahead, both = (tracker.track(frames, QUERIES, backward=b) for b in (False, True))
    late = np.arange(20) >= ahead.queries[:, :1]
    assert np.array_equal(ahead.xy[late], both.xy[late])
    mirrored = tracker.track(frames[:19][::-1], [(18 - t, x, y) for t, x, y in QUERIES])
    assert np.allclose(both.xy[3, :18], mirrored.xy[3, :0:-1], atol=1e-3)


def test_alone_means_independent():
    tracker = make_tracker(support=Support(global_grid=3, local_grid=2, below=5))
    frames = video()
    together = tracker.track(frames, QUERIES, joint=False)
    for n in range(len(QUERIES)):
        assert_close(tracker.track(frames, QUERIES[n : n + 1], joint=False), together[n])
    joint = tracker.track(frames, QUERIES)
    assert not np.allclose(joint.xy, together.xy, atol=1e-2)


def test_support_points_help_but_do_not_show():
    few = Support(global_grid=3, below=5)
    tracks = make_tracker(support=few).track(video(), QUERIES)
    assert tracks.num_points == len(QUERIES)
    plain = make_tracker(support=few).track(video(), QUERIES, support=False)
    assert not np.allclose(tracks.xy, plain.xy, atol=1e-2)
    assert_close(plain, make_tracker().track(video(), QUERIES))


@pytest.mark.parametrize("offline", [False, True])
def test_more_points_than_fit_are_tracked_in_parts(offline):
    tracker = make_tracker(offline)
    size, frames = (64, 48), 20
    model = tracker.model
    tight = make_plan(model, model.schedule, size, 40, frames, 1 << 30, keep=True).peak // 2
    tight += frame_bytes(size)
    session = make_tracker(offline, memory=tight).session(video())
    tracks = session.track(grid=10)
    assert tracks.num_points == 100
    assert np.allclose(tracks.xy[np.arange(100), 0], tracks.queries[:, 1:])


def test_a_video_too_long_to_be_seen_whole_goes_through_overlapping_windows():
    tracker, frames = make_tracker(offline=True), video(20)
    model = tracker.model
    schedules = model.schedule, model.windowed()
    whole, cut = (make_plan(model, s, (64, 48), 4, 20, 1 << 30, keep=True).peak for s in schedules)
    tracker = make_tracker(offline=True, memory=(whole + cut) // 2 + frame_bytes((64, 48)))
    session = tracker.session(frames)
    assert session.fitting_schedule(len(QUERIES)) == Schedule(8, 4, 4, by_confidence=True)
    tracks = session.track(QUERIES)
    stream = tracker.stream(QUERIES)
    parts = [t for frame in frames for t in stream.push(frame)]
    assert_close(tracks, Tracks.concat_frames([*parts, stream.close()]))
    with pytest.raises(InputError, match="memory: expected at least"):
        make_tracker(offline=True, memory=1000).track(frames, QUERIES)


@pytest.mark.parametrize("chunk", [1, 3, 8, 16])
@pytest.mark.parametrize("T", [1, 5, 8, 20])
def test_a_stream_equals_the_whole_video(chunk, T):
    tracker, frames = make_tracker(), video(T)
    queries = [(min(t, T - 1), x, y) for t, x, y in QUERIES]
    stream, parts = tracker.stream(queries), []
    for i in range(0, T, chunk):
        for frame in frames[i : i + chunk]:
            parts += stream.push(frame)
    rest = stream.close()
    whole = tracker.track(frames, queries)
    assert_close(Tracks.concat_frames([*parts, *([rest] if rest else [])]), whole, atol=1e-4)


@pytest.mark.parametrize("latency", [1, 2, 3, 4])
def test_answers_come_within_the_latency(latency):
    """The windows of 8 frames, 4 apart, come closer; but looking back is not in a hurry."""
    tracker, frames = make_tracker(), video(21)
    stream, parts = tracker.stream(QUERIES, latency=latency, memory=10), []
    for t, frame in enumerate(frames, 1):
        parts += stream.push(frame)
        assert t - sum(p.num_frames for p in parts) < latency
    back = stream.look_back([(9, 9)])
    assert_close(back, tracker.track(frames, [(20, 9, 9)], start=back.start, backward=True))
    parts += [rest] if (rest := stream.close()) else []
    assert Tracks.concat_frames(parts).frames == range(21)


def test_windows_have_to_overlap():
    with pytest.raises(InputError, match="latency: expected 1 to 4 frames, got 5"):
        make_tracker().stream(latency=5)


@pytest.mark.parametrize(
    ("T", "queries"), [(1, [(0, 9, 9)]), (3, []), (9, [(8, 9, 9)]), (2, [(1, 9, 9), (0, 5, 5)])]
)
@pytest.mark.parametrize("offline", [False, True])
def test_small_cases(T, queries, offline):
    tracks = make_tracker(offline).track(video(T), queries, backward=True)
    assert (tracks.num_points, tracks.num_frames) == (len(queries), T)


def test_a_query_beyond_the_end_of_an_iterator_is_found_out():
    with pytest.raises(InputError, match="expected a frame from 0 to 4, got 7"):
        make_tracker().track(iter(video(5)), [(7, 9, 9)])


def test_bfloat16_stays_close():
    frames = video(10)
    exact = make_tracker().track(frames, QUERIES[:2])
    rough = make_tracker(dtype=torch.bfloat16).track(frames, QUERIES[:2])
    assert np.median(np.abs(exact.xy - rough.xy)) < 1.0


def test_a_session_of_part_of_a_video():
    session = Session(make_tracker().engine, open_video(video(), start=5, end=15))
    tracks = session.track([(7, 20, 20)], backward=True)
    assert tracks.frames == range(5, 15)
    assert tracks.visible[0, 2]


def test_a_range_holds_for_an_opened_video_too():
    tracker, opened = make_tracker(), open_video(video(), start=5, end=15)
    tracks = tracker.track(opened, [(9, 20, 20)], start=8, end=99)
    assert tracks.frames == range(8, 15)
    assert tracker.session(opened, end=12).track([(9, 20, 20)]).frames == range(5, 12)


def test_threads_wait_for_each_other():
    """Three of 376 questions failed when four threads asked."""
    session = make_tracker().session(video())
    expected = make_tracker().session(video()).track(QUERIES, backward=True)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(session.track, QUERIES, backward=i % 2 == 0) for i in range(8)]
    assert all(job.result() == expected for job in jobs[::2])


def test_frames_that_become_smaller_are_resized_ahead():
    """With the same result, whichever thread resizes."""
    large = np.random.default_rng(0).integers(0, 255, (10, 40, 1100, 3)).astype(np.uint8)
    tracker = motes.load("flow")
    ahead = tracker.session(large)
    here = tracker.session(large)
    here.encoded = EncodedVideo(here.video, here._encode, 1 << 30)
    assert ahead.encoded._encode == tracker.engine.encode_resized
    assert tracker.session(large[:, :, :100]).encoded._encode != tracker.engine.encode_resized
    assert ahead.track(grid=3) == here.track(grid=3)
