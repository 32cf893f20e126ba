from fractions import Fraction

import numpy as np
import pytest

from motes.edit.filters import hampel, jumps, one_euro, resample, velocity
from motes.edit.selection import choose_points, merge_anchors
from motes.errors import InputError
from motes.tracks import Tracks


def line(T=12, N=1, step=(2.0, -1.0), hidden=(), noise=0.0, **fields):
    """Points that move by `step` per frame."""
    xy = np.array([20.0, 60]) + np.arange(T)[:, None] * np.array(step)
    xy = xy[None].repeat(N, 0) + np.random.default_rng(0).normal(0, noise, (N, T, 2))
    visible = np.ones((N, T), bool)
    visible[:, list(hidden)] = False
    return Tracks(xy, visible, size=(200, 100), **fields)


def test_velocity_is_in_pixels_per_second():
    found = velocity(line(hidden=(4, 5, 7), fps=30))
    expected = np.tile([60.0, -30.0], (12, 1))
    expected[[4, 5, 6, 7]] = np.nan
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


@pytest.mark.parametrize("T", [0, 1, 2])
def test_short_tracks(T):
    assert np.isfinite(velocity(line(T=T))).all() == (T != 1)
    assert not jumps(line(T=T)).any()
    assert hampel(line(T=T)) == line(T=T)
    assert one_euro(line(T=T)).num_frames == T


def test_a_jump_is_found_where_it_happens():
    tracks = line(N=5, noise=0.05)
    xy = tracks.xy.copy()
    xy[2, 7:] += 15
    found = jumps(Tracks(xy, tracks.visible, size=tracks.size))
    assert np.argwhere(found).tolist() == [[2, 7]]


def test_hampel_replaces_only_outliers():
    tracks = line(step=(0.2, 0.1), noise=0.02, hidden=(9,))
    xy = tracks.xy.copy()
    xy[0, 5] += (9, 0)
    spoiled = Tracks(xy, tracks.visible, size=tracks.size)
    mended = hampel(spoiled)
    np.testing.assert_allclose(mended.xy[0, 5], tracks.xy[0, 5], atol=0.3)
    np.testing.assert_array_equal(np.delete(mended.xy, 5, 1), np.delete(xy, 5, 1))


def test_one_euro_smooths_points_at_rest_and_follows_moving_ones():
    still = line(T=200, step=(0, 0), noise=1.0)
    smooth = one_euro(still, cutoff=0.5, speed=0.0)
    assert smooth.xy[0, 50:].std(0).max() < 0.4 * still.xy[0, 50:].std(0).min()
    fast = line(T=40, step=(3.0, 0))
    lag = [fast.xy[0, -1, 0] - one_euro(fast, 1.0, s).xy[0, -1, 0] for s in (0.0, 0.5)]
    assert lag[0] > 10 > 1 > lag[1]


def test_one_euro_by_hand():
    tracks = Tracks([[[0.0, 0], [10, 0]]], [[True, True]], size=(20, 20), fps=25)
    rate = 1 / (1 + 25 / (2 * np.pi * 1.0))
    derivative = rate * 10 * 25
    share = 1 / (1 + 25 / (2 * np.pi * (1 + 0.02 * derivative)))
    assert one_euro(tracks).xy[0, 1, 0] == pytest.approx(10 * share, abs=1e-4)


def test_one_euro_starts_again_after_a_gap():
    tracks = line(step=(5.0, 0), hidden=(5, 6))
    np.testing.assert_array_equal(one_euro(tracks).xy[0, 7], tracks.xy[0, 7])


@pytest.mark.parametrize("fps", [50, 12.5, Fraction(30000, 1001), 25])
def test_resampled_positions_lie_on_the_line(fps):
    tracks = line(T=26, fps=25, start=10)
    other = resample(tracks, fps)
    assert other.fps == Fraction(fps)
    seconds = np.array(other.frames) / float(other.fps)
    expected = np.interp(seconds, np.array(tracks.frames) / 25, tracks.xy[0, :, 0])
    np.testing.assert_allclose(other.xy[0, :, 0], expected, atol=1e-3)
    assert 10 / 25 <= seconds[0] <= seconds[-1] <= 35 / 25
    assert len(seconds) == pytest.approx(26 * float(fps) / 25, abs=1.5)


def test_a_resampled_point_is_hidden_next_to_a_hidden_frame():
    twice = resample(line(T=4, hidden=(2,), fps=10), 20)
    assert twice.visible[0].tolist() == [True, True, True, False, False, False, True]


def test_resampling_uses_the_times_of_a_variable_rate():
    times = np.array([0, 0.1, 0.3, 0.4])
    xy = np.stack([times * 50, times * 0], -1)[None]
    tracks = Tracks(xy, np.ones((1, 4), bool), size=(50, 50), fps=10, times=times)
    np.testing.assert_allclose(velocity(tracks)[0, :, 0], 50, rtol=1e-5)
    even = resample(tracks, 10)
    np.testing.assert_allclose(even.xy[0, :, 0], [0, 5, 10, 15, 20], atol=1e-4)
    assert even.times is None


def anchored(at, offset, T=21, **fields):
    tracks = line(T=T, **fields)
    drift = np.abs(np.arange(T) - at)[:, None] * np.array(offset)
    xy = tracks.xy + drift
    queries = np.array([[at, *xy[0, at]]])
    return Tracks(xy, tracks.visible, np.full((1, T), 0.9), queries, size=tracks.size)


def test_the_nearer_anchor_has_the_larger_weight():
    truth = line(T=21).xy[0]
    merged = merge_anchors([anchored(0, (0.1, 0)), anchored(20, (-0.1, 0))], reach=5)
    error = np.abs(merged.xy[0] - truth).max(1)
    assert error[0] == error[20] == pytest.approx(0, abs=1e-5)
    assert error.max() < 1.0
    assert merged.queries[0, 0] == 0


def test_distant_positions_are_not_averaged():
    a, b = anchored(0, (2.0, 0)), anchored(20, (-2.0, 0))
    merged = merge_anchors([a, b]).xy[0]
    either = np.minimum(np.abs(merged - a.xy[0]).max(1), np.abs(merged - b.xy[0]).max(1))
    assert either[np.abs(a.xy[0] - b.xy[0]).max(1) > 4].max() < 1e-4


def test_a_visible_track_wins_against_a_hidden_one():
    a, b = anchored(0, (0, 0), hidden=range(3, 21)), anchored(20, (0.05, 0))
    assert merge_anchors([a, b]).visible[0, 5:].all()


def test_chosen_points_are_spread_and_visible_for_long():
    x, y = np.meshgrid(np.arange(10) * 10.0, np.arange(5) * 10.0)
    xy = np.stack([x.ravel(), y.ravel()], -1)[:, None].repeat(6, 1)
    visible = np.ones((50, 6), bool)
    visible[:25, 2:] = False
    visible[7] = False
    tracks = Tracks(xy, visible, size=(100, 50))
    chosen = choose_points(tracks, 8)
    assert len(set(chosen.tolist())) == 8
    assert (chosen >= 25).sum() >= 6
    gaps = np.linalg.norm(xy[chosen][:, None, 0] - xy[chosen][None, :, 0], axis=-1)
    assert gaps[np.triu_indices(8, 1)].min() >= 10
    assert 7 not in choose_points(tracks, 99)
    assert len(choose_points(tracks, 99)) == 49


@pytest.mark.parametrize(
    "call",
    [
        lambda: jumps(line(), 0),
        lambda: hampel(line(), 0),
        lambda: one_euro(line(), 0),
        lambda: one_euro(line(), 1, -1),
        lambda: resample(line(), 0),
        lambda: resample(line(T=0), 10),
        lambda: merge_anchors([]),
        lambda: merge_anchors([line(), line(T=3)]),
        lambda: merge_anchors([line()], 0),
        lambda: choose_points(line(), 0),
    ],
)
def test_values_out_of_range(call):
    with pytest.raises(InputError, match="expected"):
        call()
