import numpy as np
import pytest

from motes.rendering.curves import catmull_rom, keep_vertices


@pytest.mark.parametrize(
    ("x", "kept"),
    [
        ([0, 5, 10], [0, 1, 2]),  # long moves are kept
        ([0, 0, 0, 0], [3]),  # a still point has no path
        ([0, 0.2, 0.4, 5], [2, 3]),  # short moves are joined
        ([7], [0]),
    ],
)
def test_thin(x, kept):
    path = np.stack([np.array(x, float), np.zeros(len(x))], -1)[None]
    assert np.flatnonzero(keep_vertices(path, 1.0)[0]).tolist() == kept


def test_bend_passes_through_the_vertices_and_keeps_paths_apart():
    xy = np.array([[0, 0], [40, 0], [40, 40], [100, 100], [140, 100.0]])
    points, legs = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 3])
    path = catmull_rom(xy, points, legs, step=1.0, budget=1000)
    assert path.shape == (3, 5, 2)
    np.testing.assert_allclose(path[:, 0], xy[legs])
    np.testing.assert_allclose(path[:, -1], xy[legs + 1])
    np.testing.assert_allclose(path[2, :, 1], 100)  # a leg alone stays straight
    assert path[0, 1:-1, 1].min() < 0  # and a corner is rounded


def test_bend_is_smooth_at_an_even_bend():
    angle = np.radians(np.arange(0, 90, 15))
    circle = 50 * np.stack([np.cos(angle), np.sin(angle)], -1)
    path = catmull_rom(circle, np.zeros(6, int), np.arange(5), step=0.5, budget=1000)
    inner = path[1:-1].reshape(-1, 2)
    np.testing.assert_allclose(np.linalg.norm(inner, axis=1), 50, atol=0.05)


@pytest.mark.parametrize(("budget", "pieces"), [(1000, 4), (4, 2), (1, 1)])
def test_the_budget_limits_the_pieces(budget, pieces):
    xy = np.array([[0, 0], [40, 0], [40, 40.0]])
    path = catmull_rom(xy, np.zeros(3, int), np.arange(2), step=1.0, budget=budget)
    assert path.shape[1] == pieces + 1


def test_no_legs():
    none = np.zeros(0, int)
    assert catmull_rom(np.zeros((1, 2)), np.zeros(1, int), none, 1.0, 10).shape == (0, 2, 2)
