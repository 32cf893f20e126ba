import numpy as np
import pytest

from motes.errors import InputError
from motes.tracking.official.grids import centred_grid, cornered_grid, dense_grids


def test_grid_over_the_frame():
    xy = centred_grid(5, (512, 384))
    assert xy.shape == (25, 2)
    assert xy[:, 0].min() == xy[:, 1].min() == 8 and tuple(xy[-1]) == (504, 376)
    assert tuple(xy[1]) == (132, 8)  # row by row


def test_one_point_is_the_middle_whatever_the_centre():
    assert centred_grid(1, (512, 384), np.array([9, 9])).tolist() == [[256, 192]]
    assert cornered_grid(1, (512, 384), np.array([9, 9])).tolist() == [[256, 192]]


def test_grid_around_a_point():
    xy = centred_grid(8, (50, 50), np.array([100, 60]))
    np.testing.assert_allclose(xy.mean(0), [100, 60], atol=1e-4)


def test_the_first_version_is_off_centre():
    xy = cornered_grid(6, (50.0, 50.0), np.array([100, 60]))
    assert xy[:, 0].min() == 70 and xy[:, 0].max() == 120


@pytest.mark.parametrize(("size", "groups"), [((160, 12), 4), ((100, 7), 1)])
def test_dense_covers_every_pixel(size, groups):
    found = dense_grids(size, 80)
    assert len(found) == groups
    pixels = {tuple(p) for p in np.concatenate(found)}
    assert len(pixels) == size[0] * size[1]


def test_too_narrow():
    with pytest.raises(InputError, match="width of at least 80, got 79"):
        dense_grids((79, 60), 80)
