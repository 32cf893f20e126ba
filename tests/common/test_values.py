from fractions import Fraction

import numpy as np
import pytest

from motes.common.values import flag_array, rate, real_array, shortest_decimals, whole, whole_array
from motes.errors import InputError


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (real_array, [[1, 2.5]], [[1, 2.5]]),
        (real_array, [], []),
        (flag_array, [True, False], [True, False]),
        (flag_array, [1, 0.0], [True, False]),
        (flag_array, np.array([2, 0], np.uint8).view(bool), [True, False]),
        (whole_array, [1.0, -3], [1, -3]),
        (whole_array, [2**62 + 1], [2**62 + 1]),
    ],
)
def test_valid_values_are_kept(check, value, expected):
    assert check("x", value).tolist() == expected


def test_any_other_byte_than_0_is_a_true_bool():
    assert flag_array("x", np.array([7], np.uint8).view(bool)).view(np.uint8) == [1]


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.array([3.0])])
def test_one_whole_number(value):
    assert whole("x", value) == 3


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (real_array, 1j),
        (real_array, "1"),
        (real_array, [[1], [1, 2]]),
        (real_array, {}),
        (flag_array, [0.5]),
        (flag_array, [np.nan]),
        (whole_array, [0.5]),
        (whole_array, [np.inf]),
        (whole_array, [1e17]),
        (whole_array, [True]),
        (whole_array, [10**30]),
        (whole, [1, 2]),
        (whole, 2**60),
        (whole, None),
        (rate, 0),
        (rate, np.nan),
        (rate, "1/0"),
        (rate, (1, 2, 3)),
        (rate, (1.5, 1)),
        (rate, Fraction(1, 2**64)),
        (rate, {}),
    ],
)
def test_invalid_values_are_reported(check, value):
    with pytest.raises(InputError, match="width: expected"):
        check("width", value)


def test_the_shortest_decimals_round_to_the_same_float32():
    array = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    back = shortest_decimals(array)
    assert np.array_equal(np.float32(back), array)
    assert shortest_decimals(np.float32([0.1])) == [0.1]
