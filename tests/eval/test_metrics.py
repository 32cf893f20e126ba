from pathlib import Path

import numpy as np
import pytest

from motes.errors import InputError
from motes.eval.metrics import THRESHOLDS, scored_frames, tapvid_metrics

GOLDEN = Path(__file__).parent / "golden"
"""Predictions, and their scores from the evaluation code of TAP-Vid."""

CASES = ("first_a", "first_b", "strided_a", "strided_b")


def perfect(N=3, T=8, mode="first"):
    gt = np.random.default_rng(0).uniform(0, 256, (N, T, 2))
    return [np.zeros(N, int), gt, np.zeros((N, T), bool), gt.copy(), np.zeros((N, T), bool), mode]


@pytest.mark.parametrize("case", CASES)
def test_equals_the_reference_metrics(case):
    given = np.load(GOLDEN / f"{case}.npz")
    result = tapvid_metrics(
        given["query_tyx"][:, 0],
        given["gt_tracks"],
        given["gt_occluded"],
        given["pred_tracks"],
        given["pred_occluded"],
        str(given["mode"]),
    )
    expected = {k.removeprefix("metric_"): v for k, v in given.items() if k.startswith("metric_")}
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        assert result[name] == pytest.approx(float(value), abs=1e-6), name


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_perfect_tracks_score_one(mode):
    assert set(tapvid_metrics(*perfect(mode=mode)).values()) == {1.0}


@pytest.mark.parametrize("distance", [0.5, 1.5, 3.0, 7.9, 12.0, 20.0])
def test_a_shift_is_within_the_larger_thresholds_only(distance):
    arguments = perfect()
    arguments[3] = arguments[3] + [distance, 0]
    result = tapvid_metrics(*arguments)
    for d in THRESHOLDS:
        assert result[f"pts_within_{d}"] == result[f"jaccard_{d}"] == float(distance < d)


@pytest.mark.parametrize("d", THRESHOLDS)
def test_a_distance_equal_to_the_threshold_is_not_within_it(d):
    arguments = perfect()
    arguments[1] = arguments[1].round()
    arguments[3] = arguments[1] + np.array([0, d])
    result = tapvid_metrics(*arguments)
    assert (result[f"pts_within_{d}"], result[f"jaccard_{d}"]) == (0, 0)
    arguments[3] = np.nextafter(arguments[3], arguments[1])
    result = tapvid_metrics(*arguments)
    assert (result[f"pts_within_{d}"], result[f"jaccard_{d}"]) == (1, 1)


def test_a_position_far_off_is_a_miss_and_a_false_alarm():
    """One frame is hit and two are far off: 1 hit of 3 true positions and 2 false alarms."""
    arguments = perfect(N=1, T=4)
    arguments[3][0, 2:] += 99
    result = tapvid_metrics(*arguments)
    assert result["average_jaccard"] == pytest.approx(1 / 5)
    assert result["average_pts_within_thresh"] == pytest.approx(1 / 3)
    assert result["occlusion_accuracy"] == 1


@pytest.mark.parametrize(
    ("true_hidden", "said_hidden", "jaccard"),
    [
        ([0, 0, 0], [0, 0, 0], 3 / 3),
        ([0, 0, 0], [1, 0, 0], 2 / 3),  # a miss
        ([1, 0, 0], [0, 0, 0], 2 / 3),  # a false alarm
        ([1, 0, 0], [1, 0, 0], 2 / 2),
        ([1, 1, 1], [1, 1, 1], np.nan),  # nothing to find, nothing said
        ([1, 1, 1], [0, 1, 1], 0 / 1),
    ],
)
def test_jaccard_counts_hits_misses_and_false_alarms(true_hidden, said_hidden, jaccard):
    arguments = perfect(N=1, T=4)
    arguments[2][0, 1:], arguments[4][0, 1:] = true_hidden, said_hidden
    result = tapvid_metrics(*arguments)
    assert result["average_jaccard"] == pytest.approx(jaccard, nan_ok=True)
    arguments[2], arguments[4] = arguments[2].astype(float), arguments[4].astype(float)
    np.testing.assert_equal(tapvid_metrics(*arguments), result)


def test_scored_frames_of_each_mode():
    frames = np.array([0, 2, 3])
    assert scored_frames(frames, 4, "first").astype(int).tolist() == [
        [0, 1, 1, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 0],
    ]
    assert scored_frames(frames, 4, "strided").sum(1).tolist() == [3, 3, 3]


def test_frames_that_are_not_annotated_do_not_count():
    arguments = perfect()
    annotated = np.ones((3, 8), bool)
    annotated[:, 5:] = False
    arguments[3][:, 5:] += 99
    arguments[4][:, 5:] = True
    arguments[3][:, 0] += 99  # the frame of the query, which is annotated, does not count either
    assert set(tapvid_metrics(*arguments, annotated=annotated).values()) == {1.0}
    assert set(tapvid_metrics(*arguments, annotated=annotated.astype(int)).values()) == {1.0}


def test_nothing_to_score_is_nan():
    arguments = perfect()
    arguments[0] = np.full(3, 7)  # queries in the last frame
    assert all(np.isnan(v) for v in tapvid_metrics(*arguments).values())


@pytest.mark.parametrize(
    ("index", "value", "words"),
    [
        (0, np.zeros(4), r"^query_frames: expected shape \[3\], got \[4\]"),
        (3, np.zeros((3, 7, 2)), r"^points: expected shape \[3, 8, 2\], got \[3, 7, 2\]"),
        (1, np.zeros((3, 8)), r"^gt_points: expected shape \[N, T, 2\], got \[3, 8\]"),
        (1, np.zeros((3, 8, 3)), r"^gt_points: expected shape \[3, 8, 2\], got \[3, 8, 3\]"),
        (2, np.zeros((3, 7)), r"^gt_occluded: expected shape \[3, 8\], got \[3, 7\]"),
        (4, np.zeros((3, 7)), r"^occluded: expected shape \[3, 8\], got \[3, 7\]"),
        (6, np.zeros((3, 7)), r"^annotated: expected shape \[3, 8\], got \[3, 7\]"),
        (5, "last", "mode: expected one of first, strided, got 'last'"),
    ],
)
def test_shapes_that_do_not_fit_are_named(index, value, words):
    arguments = [*perfect(), np.ones((3, 8), bool)]
    arguments[index] = value
    with pytest.raises(InputError, match=words):
        tapvid_metrics(*arguments)
