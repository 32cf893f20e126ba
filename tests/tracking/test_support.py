"""Support points: where they are placed, and when."""

import numpy as np
import pytest

from motes.models.preset import Support
from motes.tracking.support import local_grid, support_points, with_support

SIZE = (64, 48)
CORNERS = [(0, 0), (63, 0), (0, 47), (63, 47)]


@pytest.mark.parametrize("centre", CORNERS)
def test_a_local_grid_stays_in_the_frame(centre):
    xy = local_grid(np.array(centre, np.float32), 5, 50.0, SIZE)
    assert xy.shape == (25, 2)
    assert (xy >= 0).all() and (xy <= [63, 47]).all()


def test_a_local_grid_is_centred_and_as_wide_as_its_extent():
    xy = local_grid(np.array([30, 20], np.float32), 3, 10.0, SIZE)
    assert sorted(set(xy[:, 0])) == [25, 30, 35] and sorted(set(xy[:, 1])) == [15, 20, 25]


def test_support_points_are_in_the_frames_of_the_queries():
    queries = np.array([[3, 10, 10], [7, 60, 40]], np.float32)
    points = support_points(queries, SIZE, 2, 3, 50.0)
    assert len(points) == 2 * 4 + 2 * 9
    assert sorted(set(points[:, 0])) == [3, 7]
    assert (points[:, 1:] >= 0).all() and (points[:, 1:] <= [63, 47]).all()


@pytest.mark.parametrize(("count", "added"), [(0, 0), (1, 4), (2, 4), (3, 0)])
def test_support_is_for_few_queries(count, added):
    queries = np.zeros((count, 3), np.float32)
    assert len(with_support(queries, Support(global_grid=2, below=3), SIZE)) == count + added
