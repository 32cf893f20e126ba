import numpy as np
import pytest

from motes.edit.fits import (
    KINDS,
    apply_motion,
    fit_motion,
    fit_path,
    frame_corners,
    from_corners,
)
from motes.errors import InputError
from motes.tracks import Tracks

MOTIONS = {
    "translation": [[1, 0, 7.5], [0, 1, -3], [0, 0, 1]],
    "similarity": [[1.1, -0.2, 5], [0.2, 1.1, 4], [0, 0, 1]],
    "affine": [[1.1, -0.1, 5], [0.3, 0.9, 4], [0, 0, 1]],
    "homography": [[1.1, -0.1, 5], [0.3, 0.9, 4], [2e-4, -3e-4, 1]],
}


def scatter(N=120, seed=0):
    return np.random.default_rng(seed).uniform((0, 0), (320, 240), (N, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outliers", [0, 40])
def test_a_motion_is_found_among_outliers(kind, outliers):
    matrix = np.array(MOTIONS[kind], float)
    source = scatter()
    target = apply_motion(matrix, source)
    target[:outliers] += np.random.default_rng(1).uniform(20, 60, (outliers, 2))
    fit = fit_motion(source, target, kind)
    np.testing.assert_allclose(
        apply_motion(fit.matrix, frame_corners((320, 240))),
        apply_motion(matrix, frame_corners((320, 240))),
        atol=0.05,
    )
    assert fit.inliers.tolist() == [i >= outliers for i in range(120)]


@pytest.mark.parametrize(
    ("N", "kind", "message"),
    [
        (1, "similarity", "expected at least 2 points, got 1"),
        (3, "homography", "expected at least 4 points, got 3"),
        (0, "translation", "at least 1"),
        (5, "similar", "did you mean 'similarity'"),
    ],
)
def test_too_few_points_are_an_error(N, kind, message):
    with pytest.raises(InputError, match=message):
        fit_motion(scatter(N), scatter(N), kind)


def test_points_at_one_position_are_an_error():
    with pytest.raises(InputError, match="do not determine"):
        fit_motion(np.ones((5, 2)), np.ones((5, 2)), "affine")


def build(T=9, moving=30, hidden=()):
    """A background that moves by (2, 1) per frame, and an object that moves differently."""
    start = scatter(100)
    shift = np.where(np.arange(100)[:, None] < moving, [-3.0, 4.0], [2.0, 1.0])
    xy = start[:, None] + shift[:, None] * np.arange(T)[:, None]
    visible = np.ones((100, T), bool)
    visible[:, list(hidden)] = False
    return Tracks(xy, visible, size=(320, 240), start=5)


def test_a_path_follows_the_background():
    path = fit_path(build(), reference=7)
    expected = (np.arange(9) - 2)[:, None] * [2.0, 1.0]
    np.testing.assert_allclose(path.matrices[:, :2, 2], expected, atol=1e-3)
    assert path.known.all()
    assert path.inliers.sum(0).tolist() == [70] * 9


def test_an_unknown_frame_is_interpolated():
    path = fit_path(build(hidden=(4, 5)), reference=5)
    assert np.flatnonzero(~path.known).tolist() == [4, 5]
    np.testing.assert_allclose(path.matrices[4, :2, 2], [8, 4], atol=1e-2)


@pytest.mark.parametrize(
    ("reference", "least", "message"), [(4, 0, "frame in 5..13"), (5, 200, "at least 200 visible")]
)
def test_a_path_needs_its_reference(reference, least, message):
    with pytest.raises(InputError, match=message):
        fit_path(build(), reference, min_inliers=least)


def test_from_corners_maps_four_points():
    corners = frame_corners((320, 240))
    assert corners[2].tolist() == [319.5, 239.5]
    matrix = from_corners(corners, apply_motion(np.array(MOTIONS["homography"]), corners))
    np.testing.assert_allclose(matrix, MOTIONS["homography"], atol=1e-3)
