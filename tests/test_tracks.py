import sys
from fractions import Fraction

import numpy as np
import pytest

from motes import InputError, MissingExtraError, Tracks


def make(N=4, T=6, start=10, seed=0, **changes):
    rng = np.random.default_rng(seed)
    fields = {
        "xy": rng.uniform(0, 50, (N, T, 2)),
        "visible": rng.random((N, T)) > 0.3,
        "confidence": rng.random((N, T)),
        "queries": np.column_stack([np.full(N, start), rng.uniform(0, 50, (N, 2))]),
        "ids": np.arange(N) + 7,
        "size": (64, 48),
        "fps": Fraction(30000, 1001),
        "start": start,
    }
    return Tracks(**(fields | changes))


def test_fields_have_the_promised_types():
    tracks = make()
    assert [getattr(tracks, f).dtype for f in ("xy", "visible", "confidence", "queries", "ids")] == [
        np.float32, bool, np.float32, np.float32, np.int64,
    ]  # fmt: skip
    assert (len(tracks), tracks.num_frames, tracks.frames) == (4, 6, range(10, 16))


def test_defaults():
    visible = np.array([[False, True, True], [False, False, False]])
    tracks = Tracks(np.arange(12).reshape(2, 3, 2), visible, size=(9, 9), start=5)
    assert tracks.confidence.tolist() == visible.tolist()
    assert tracks.queries.tolist() == [[6, 2, 3], [5, 6, 7]]
    assert tracks.ids.tolist() == [0, 1]


def test_arrays_are_read_only_copies():
    xy = np.zeros((1, 2, 2), np.float32)
    tracks = make(N=1, T=2, xy=xy)
    xy[:] = 5
    assert (tracks.xy == 0).all()
    with pytest.raises(ValueError):
        tracks.xy[0] = 1
    with pytest.raises(AttributeError):
        tracks.start = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xy": np.zeros((4, 6, 3))}, r"expected shape \[N, T, 2\], got \[4, 6, 3\]"),
        ({"visible": np.ones((4, 5))}, r"visible: expected shape \[4, 6\], got \[4, 5\]"),
        ({"confidence": np.full((4, 6), 1.5)}, "expected values in .0, 1., got 1.5"),
        ({"xy": np.full((4, 6, 2), np.nan)}, "xy: expected finite numbers"),
        ({"ids": [1, 1, 2, 3]}, "expected unique numbers"),
        ({"queries": np.zeros((3, 3))}, r"queries: expected shape \[4, 3\]"),
        ({"size": (0, 5)}, "size: expected positive"),
        ({"names": ["a"]}, "names: expected 4, one for each point, got 1"),
        ({"names": 5}, "names: expected 4 texts, got 5"),
        ({"names": "abcd"}, "names: expected 4 texts, got 'abcd'"),
        ({"names": [1, 2, 3, None]}, "names: expected texts, got 1"),
        ({"skeleton": [(0, 4)]}, r"skeleton: expected pairs of indices below 4, got \(0, 4\)"),
        ({"skeleton": [(0, 1, 2)]}, "skeleton: expected pairs"),
        ({"skeleton": [(0, 0.5)]}, "skeleton: expected whole numbers, got 0.5"),
        ({"size": (5, 2**40)}, "size: expected positive"),
        ({"size": "wide"}, "size: expected whole numbers"),
        ({"fps": 0}, "fps: expected a positive number"),
        ({"fps": -1}, "fps: expected a positive number"),
        ({"fps": (1, 0)}, "fps: expected a positive number"),
        ({"fps": float("nan")}, "fps: expected a positive number"),
        ({"fps": float("inf")}, "fps: expected a positive number"),
        ({"fps": 1e-300}, "fps: expected a positive number"),
        ({"fps": 1e300}, "fps: expected a positive number"),
        ({"fps": "fast"}, "fps: expected a positive number"),
        ({"fps": [25]}, "fps: expected a positive number"),
        ({"fps": None}, "fps: expected a positive number"),
        ({"start": 0.7}, "start: expected whole numbers, got 0.7"),
        ({"start": 2**60}, "start: expected a whole number"),
        ({"ids": [0, 1, 2, 0.7]}, "ids: expected whole numbers, got 0.7"),
        ({"ids": [0, 1, 2, np.nan]}, "ids: expected whole numbers, got nan"),
        ({"ids": [0, 1, 2, 2**64]}, "ids: expected whole numbers"),
        ({"ids": np.array([0, 1, 2, 2**63], np.uint64)}, "ids: expected whole numbers"),
        ({"ids": list("abcd")}, "ids: expected whole numbers, got <U1"),
        ({"xy": np.full((4, 6, 2), 1e300)}, "xy: expected finite numbers"),
        ({"xy": np.zeros((4, 6, 2), complex)}, "xy: expected real numbers, got complex128"),
        ({"xy": [[1], [2, 3]]}, "xy: expected real numbers"),
        ({"visible": np.full((4, 6), 0.5)}, "visible: expected truth values"),
        ({"visible": np.full((4, 6), np.nan)}, "visible: expected truth values"),
        ({"queries": np.full((4, 3), 0.7)}, "queries: frame numbers: expected whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("key", "ids", "frames"),
    [
        (slice(1, 3), [8, 9], range(10, 16)),
        ([3, 0], [10, 7], range(10, 16)),
        (2, [9], range(10, 16)),
        (np.array([True, False, False, True]), [7, 10], range(10, 16)),
        ((slice(None), slice(2, 5)), [7, 8, 9, 10], range(12, 15)),
        (([1], slice(-2, None)), [8], range(14, 16)),
        ((slice(0, 0), slice(3, 3)), [], range(13, 13)),
    ],
)
def test_slicing_by_point_and_time(key, ids, frames):
    whole, part = make(), make()[key]
    rows = [i - 7 for i in ids]
    assert (part.ids.tolist(), part.frames) == (ids, frames)
    columns = slice(frames.start - 10, frames.stop - 10)
    assert np.array_equal(part.xy, whole.xy[rows][:, columns])
    assert np.array_equal(part.queries, whole.queries[rows])


@pytest.mark.parametrize("times", [slice(0, 6, 2), 3, [0, 1]])
def test_frames_stay_consecutive(times):
    with pytest.raises(InputError, match="slice of step 1"):
        make()[:, times]


def test_concat_points():
    a, b = make(seed=1), make(seed=2)
    both = Tracks.concat_points([a, b])
    assert both.ids.tolist() == list(range(8))  # they clashed
    assert np.array_equal(both.xy[4:], b.xy)
    assert Tracks.concat_points([a[:1], a[1:]]) == a


def test_concat_frames_undoes_slicing():
    tracks = make()
    assert Tracks.concat_frames([tracks[:, :2], tracks[:, 2:2], tracks[:, 2:]]) == tracks


@pytest.mark.parametrize(
    ("join", "parts", "message"),
    [
        (Tracks.concat_frames, lambda t: [t[:, :2], t[:, 3:]], "consecutive frames, got 10..11, 13..15"),
        (Tracks.concat_frames, lambda t: [t[:2, :2], t[2:, 2:]], "same ids"),
        (Tracks.concat_points, lambda t: [t[:, :2], t], "the same frames"),
        (Tracks.concat_points, lambda t: [], "at least one"),
        (Tracks.concat_points, lambda t: [t, make(size=(9, 9))], "parts of one video"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_refused(join, parts, message):
    with pytest.raises(InputError, match=message):
        join(parts(make()))


def test_equality_sees_every_field():
    assert make() == make()
    changes = [{"start": 11}, {"size": (65, 48)}, {"fps": 30}, {"visible": np.ones((4, 6))}]
    assert all(make() != make(**change) for change in changes)
    assert make() != make()[1:]


def test_names_and_skeleton_follow_the_points():
    tracks = make(names=["a", "b", "", "d"], skeleton=[(0, 3), (2, 1)])
    assert (tracks.names, tracks.skeleton) == (("a", "b", "", "d"), ((0, 3), (2, 1)))
    assert (tracks[[3, 0]].names, tracks[[3, 0]].skeleton) == (("d", "a"), ((1, 0),))
    assert (tracks[:, 2:].names, tracks[:, 2:].skeleton) == (tracks.names, tracks.skeleton)
    joined = Tracks.concat_points([make(), tracks[2:]])
    assert joined.names == ("", "", "", "", "", "d")
    assert Tracks.concat_points([make(), tracks]).skeleton == ((4, 7), (6, 5))
    assert Tracks.concat_points([make(), make()]).names is None
    assert Tracks.concat_frames([tracks[:, :2], tracks[:, 2:]]) == tracks
    assert tracks != make()
    assert Tracks.from_dict(tracks.to_dict()) == tracks


@pytest.mark.parametrize("fps", [29.97, "30000/1001", (30000, 1001), np.float32(25), 1])
def test_rates_are_kept_exactly(fps):
    expected = Fraction(*fps) if isinstance(fps, tuple) else Fraction(str(fps))
    assert make(fps=fps).fps == pytest.approx(expected, rel=1e-15)


def test_a_data_frame_has_one_row_a_point_and_frame():
    tracks = make(N=2, T=3)
    frame = tracks.to_dataframe()
    assert list(frame.columns) == ["id", "t", "x", "y", "visible", "confidence"]
    assert frame["t"].tolist() == [10, 11, 12] * 2
    assert [frame[name].dtype for name in ("id", "x", "visible")] == [np.int64, np.float32, bool]
    row = frame[(frame["id"] == 8) & (frame["t"] == 11)].iloc[0]
    assert (row["x"], row["y"]) == tuple(tracks.xy[1, 1])


def test_a_data_frame_without_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'motes\[pandas\]'"):
        make().to_dataframe()
