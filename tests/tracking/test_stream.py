"""Streams through Lucas-Kanade: frames one by one, points that come and go, saved and resumed."""

import copy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import motes
from fuzzing import bounded
from motes import FileError, InputError, MotesError, Tracks
from motes.tracking.stream import _hidden_for

QUERIES = [(0, 50, 40), (3, 60.5, 50), (7, 40, 45)]


def video(T=12, size=(96, 80), seed=0):
    W, H = size
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (H + 40, W + 60, 3)).astype(np.float32), (0, 0), 2)
    noise = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.stack([noise[t : t + H, 2 * t : 2 * t + W] for t in range(T)])


@pytest.fixture(scope="module")
def tracker():
    return motes.load("lk")


def run(stream, frames):
    parts = [tracks for frame in frames for tracks in stream.push(frame)]
    rest = stream.close()
    return Tracks.concat_frames(parts + ([rest] if rest else []))


def test_a_stream_equals_the_whole_video(tracker):
    frames = video()
    assert run(tracker.stream(QUERIES), frames) == tracker.track(frames, QUERIES)


def test_an_answer_at_once(tracker):
    frames, stream = video(), tracker.stream(QUERIES, latency=1)
    assert [sum(t.num_frames for t in stream.push(frame)) for frame in frames] == [1] * 12
    assert run(tracker.stream(QUERIES, latency=1), frames) == tracker.track(frames, QUERIES)
    for bad in (0, 2):  # windows of 2 frames have to overlap
        with pytest.raises(InputError, match=f"latency: expected 1 to 1 frames, got {bad}"):
            tracker.stream(latency=bad)


def test_frame_numbers_and_rate(tracker):
    fps = Fraction(30000, 1001)
    tracks = run(tracker.stream([(105, 50, 40)], start=100, fps=fps), video())
    assert (tracks.frames, tracks.fps) == (range(100, 112), fps)
    assert tracks.visible[0].tolist() == [False] * 5 + [True] * 7


def test_streams_do_not_touch_each_other(tracker):
    one, two = video(seed=1), video(seed=2)
    a, b, found = tracker.stream(QUERIES), tracker.stream(QUERIES[:2]), ([], [])
    for f, g in zip(one, two, strict=True):
        found[0].extend(a.push(f))
        found[1].extend(b.push(g))
    assert Tracks.concat_frames([*found[0], a.close()]) == run(tracker.stream(QUERIES), one)
    assert Tracks.concat_frames([*found[1], b.close()]) == run(tracker.stream(QUERIES[:2]), two)


def test_points_come_and_go(tracker):
    frames, stream, seen = video(), tracker.stream([(0, 50, 40)]), {}
    for t, frame in enumerate(frames):
        if t == 4:
            assert stream.add([(60, 50), (40, 30)]) == [1, 2]
        if t == 8:
            stream.remove([0])
        for tracks in stream.push(frame):
            seen |= {(i, f): tracks.xy[n, k] for n, i in enumerate(tracks.ids) for k, f in enumerate(tracks.frames)}  # fmt: skip
    assert stream.ids == [1, 2]
    alone = tracker.track(frames, [(0, 50, 40), (4, 60, 50), (4, 40, 30)])
    for (i, t), xy in seen.items():
        assert np.allclose(xy, alone.xy[i, t])
    assert (0, 10) not in seen
    assert (1, 10) in seen


def test_a_correction_keeps_the_id(tracker):
    frames, stream = video(), tracker.stream([(0, 50, 40), (0, 20, 20)])
    for frame in frames[:6]:
        stream.push(frame)
    stream.correct(0, 70, 60)
    assert sorted(stream.ids) == [0, 1]
    last = [tracks for frame in frames[6:] for tracks in stream.push(frame)][-1]
    expected = tracker.track(frames, [(6, 70, 60)]).xy[0, last.start]
    assert np.allclose(last.xy[last.ids.tolist().index(0), 0], expected)
    before = stream.state
    with pytest.raises(InputError):
        stream.correct(1, 500, 10)
    assert stream.state is before
    assert stream.add([(30, 30)]) == [2]  # a correction uses up no id


def test_lost_points_can_be_dropped(tracker):
    frames = np.repeat(video(1), 10, 0)
    frames[3:, 20:60, 30:70] = np.random.default_rng(0).integers(0, 255, (40, 40, 3))
    stream = tracker.stream([(0, 50, 40), (0, 10, 70)])
    for frame in frames:
        stream.push(frame)
    assert stream.remove_lost(20) == []
    assert stream.remove_lost(5) == [0]
    assert stream.ids == [1]


@pytest.mark.parametrize(
    ("visible", "hidden"),
    [
        ([[0, 0]], [6, 1]),
        ([[1, 0]], [0, 1]),
        ([[1, 1], [0, 0], [0, 1]], [2, 0]),
        ([[0, 0], [0, 1], [0, 0]], [8, 1]),
    ],
)
def test_hidden_frames_are_counted_in_a_row(visible, hidden):
    """Before these frames, point 0 has been hidden for 5 frames, point 1 for none."""
    before, visible = torch.tensor([5, 0]), torch.tensor(visible, dtype=torch.bool)
    assert _hidden_for(before, visible).tolist() == hidden


def test_looking_back(tracker):
    frames, stream = video(), tracker.stream(memory=6)
    for frame in frames:
        stream.push(frame)
    back = stream.look_back([(50, 40)])
    whole = tracker.track(frames, [(11, 50, 40)], backward=True)
    assert back.frames.stop == 12
    assert back.num_frames >= 6
    assert np.allclose(back.xy, whole.xy[:, back.start :], atol=1e-4)
    with pytest.raises(InputError, match="expected a frame from"):
        stream.look_back([(2, 50, 40)])


@pytest.mark.parametrize("latency", [None, 1])
@pytest.mark.parametrize("memory", [0, 1, 2, 3, 6, 99])
def test_look_back_remembers_what_was_asked_for(tracker, latency, memory):
    frames, stream = video(), tracker.stream(QUERIES, memory=memory, latency=latency)
    whole = tracker.track(frames, [(11, 50, 40)], backward=True)
    for t, frame in enumerate(frames, 1):
        stream.push(frame)
        state = stream.state.windows
        held = sum(len(part) for part in (*stream.state.past, *state.features))
        assert held == min(max(memory, t - state.first), t)
    if held:
        back = stream.look_back([(50, 40)])
        assert back.frames == range(12 - held, 12)
        assert np.allclose(back.xy, whole.xy[:, 12 - held :], atol=1e-4)


def test_saved_and_resumed_in_another_process(tracker, tmp_path):
    frames = video()
    whole = run(tracker.stream(QUERIES, memory=4), frames)
    stream, parts = tracker.stream(QUERIES, memory=4), []
    for frame in frames[:5]:
        parts += stream.push(frame)
    stream.save(tmp_path / "stream.pt")
    np.save(tmp_path / "rest.npy", frames[5:])
    code = (
        "import motes, numpy as np; s = motes.load('lk').resume('stream.pt');"
        "p = [t for f in np.load('rest.npy') for t in s.push(f)] + [s.close()];"
        "motes.Tracks.concat_frames(p).save('rest.npz')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert Tracks.concat_frames([*parts, Tracks.load(tmp_path / "rest.npz")]) == whole


@pytest.mark.parametrize(
    ("model", "dtype", "message"),
    [
        ("lk", "bfloat16", "expected a stream in bfloat16, got float32; load the model with that"),
        ("flow", "float32", "expected a stream of flow, got lk"),
    ],
)
def test_resumed_by_another_tracker(tracker, tmp_path, model, dtype, message):
    """A part in one number type and a part in another would be tracks of neither."""
    stream = tracker.stream(QUERIES)
    stream.push(video()[0])
    stream.save(tmp_path / "stream.pt")
    with pytest.raises(InputError, match=message):
        motes.load(model, dtype=dtype).resume(tmp_path / "stream.pt")


def test_a_stream_of_an_older_version_has_no_number_type(saved, tracker, tmp_path):
    state = {name: value for name, value in saved[1]["state"].items() if name != "dtype"}
    torch.save(saved[1] | {"state": state}, tmp_path / "old.pt")
    assert tracker.resume(tmp_path / "old.pt").ids == tracker.resume(saved[0]).ids


def test_threads_share_a_stream(tracker):
    """No frame is lost or comes out twice when several threads push."""
    frames, stream = video()[:1], tracker.stream([(0, 50, 40)])
    with ThreadPoolExecutor(4) as pool:
        parts = [part for found in pool.map(stream.push, [*frames] * 60) for part in found]
    starts = [part.start for part in [*parts, stream.close()]]
    assert sorted(starts) == list(range(60))


def test_no_frame_comes_after_the_end(tracker, tmp_path):
    stream = tracker.stream([(0, 50, 40)])
    run(stream, video())
    assert stream.close() is None
    stream.save(tmp_path / "stream.pt")
    for closed in (stream, tracker.resume(tmp_path / "stream.pt")):
        with pytest.raises(InputError, match="expected none after the stream was closed"):
            closed.push(video()[0])


def test_files_that_are_no_streams(tracker, tmp_path):
    with pytest.raises(FileError, match="no such stream file"):
        tracker.resume(tmp_path / "no.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(FileError, match="expected a saved state"):
        tracker.resume(tmp_path / "text.pt")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((80, 96), np.uint8), r"expected RGB uint8 \[H, W, 3\], got uint8 \[80, 96\]"),
        (np.zeros((80, 96, 4), np.uint8), "expected RGB uint8"),
        (np.zeros((80, 96, 3), np.float32), "got float32"),
        (np.zeros((81, 96, 3), np.uint8), "expected 96x80 as before, got 96x81"),
        ("frame", "expected RGB uint8"),
    ],
)
def test_frames_that_do_not_fit(tracker, frame, message):
    stream = tracker.stream(QUERIES)
    stream.push(video()[0])
    before = stream.state
    with pytest.raises(InputError, match=message):
        stream.push(frame)
    assert stream.state is before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.add([(500, 3)]), "inside the 96x80 image"),
        (
            lambda s: s.add([(0, 5, 5)]),
            "expected frame .* or later, got 0, whose features are dropped",
        ),
        (lambda s: s.remove([9]), r"expected ids that are tracked, got \[9\]"),
    ],
)
def test_points_that_do_not_fit(tracker, change, message):
    stream = tracker.stream(QUERIES)
    for frame in video()[:6]:
        stream.push(frame)
    with pytest.raises(InputError, match=message):
        change(stream)


def test_a_query_outside_is_found_at_the_first_frame(tracker):
    with pytest.raises(InputError, match="inside the 96x80 image"):
        tracker.stream([(0, 99, 5)]).push(video()[0])


def test_an_empty_stream(tracker):
    assert tracker.stream(QUERIES).close() is None
    stream = tracker.stream()
    found = [t for frame in video()[:3] for t in stream.push(frame)]
    assert all(t.num_points == 0 for t in found)


@pytest.fixture(scope="module")
def saved(tracker, tmp_path_factory):
    """What a stream saves in the middle of a video."""
    path = tmp_path_factory.mktemp("stream") / "stream.pt"
    stream = tracker.stream(QUERIES, memory=4)
    for frame in video(5):
        stream.push(frame)
    stream.save(path)
    return path, torch.load(path, weights_only=True)


def places(content, path=()):
    """Keys that lead to every value inside of plain containers."""
    items = content.items() if isinstance(content, dict) else ()
    if isinstance(content, list | tuple):
        items = enumerate(content)
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def replaced(content, path, value):
    """A copy with another value at one place; `None` as value of a key deletes it."""
    if not path:
        return value
    new = list(content) if isinstance(content, tuple) else copy.copy(content)
    new[path[0]] = replaced(new[path[0]], path[1:], value)
    return tuple(new) if isinstance(content, tuple) else new


OTHERS = [
    None, 5, -1, 0.5, True, "text", b"bytes", [], {}, (), [1, 2], {"kind": "StreamState"},
    {"kind": "Fraction", "parts": (1, 0)}, {"kind": ["list"]}, 2**70, float("nan"),
    torch.zeros(0), torch.zeros(3, 3), torch.full((3, 3), torch.nan), torch.zeros(3, dtype=torch.int64),
    torch.zeros(1, 3, 3), torch.zeros(1).expand(10**12), torch.zeros(1, 3, 3).expand(1, 3, 3),
]  # fmt: skip


@bounded(120)
@given(data=st.data())
def test_fuzz_saved_streams(tracker, saved, tmp_path, data):
    """Whatever stands there, the error is one of motes."""
    content = saved[1]
    place = data.draw(st.sampled_from(list(places(content))))
    torch.save(replaced(content, place, data.draw(st.sampled_from(OTHERS))), tmp_path / "s.pt")
    with suppress(MotesError):
        tracker.resume(tmp_path / "s.pt")


@bounded(100)
@given(data=st.data())
def test_fuzz_the_bytes_of_saved_streams(tracker, saved, tmp_path, data):
    bad = bytearray(saved[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "s.pt").write_bytes(bad[: data.draw(st.integers(0, len(bad)))] or bad)
    with suppress(MotesError):
        tracker.resume(tmp_path / "s.pt")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("state",), 5, "expected a saved stream"),
        (("state", "fps", "parts"), (1, 0), "ZeroDivisionError"),
        (("state", "txy"), torch.zeros(2, 3), r"ids: torch.int64 \[3\]"),
        (("state", "txy"), torch.zeros(1).expand(10**12), "hold all their numbers"),
        (("state", "next_id"), "3", "StreamState.next_id: expected <class 'int'>, got str"),
        (("state", "windows", "seen"), 7, "features of"),
        (("options", "memory"), None, "StreamOptions.memory"),
    ],
)
def test_states_that_do_not_fit(tracker, saved, tmp_path, place, value, message):
    torch.save(replaced(saved[1], place, value), tmp_path / "s.pt")
    with pytest.raises(FileError, match=message):
        tracker.resume(tmp_path / "s.pt")


def test_a_state_larger_than_memory(tracker, tmp_path, monkeypatch):
    import psutil

    tracker.stream(QUERIES).save(tmp_path / "s.pt")
    free = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free._replace(available=100))
    with pytest.raises(InputError, match=r"needs .* GB of memory"):
        tracker.resume(tmp_path / "s.pt")
