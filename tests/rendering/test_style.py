import pytest

from motes.errors import InputError
from motes.rendering import Style, looks
from motes.rendering.scene import find_look


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "rainbow"}, "colour scheme"),
        ({"background": "dimm"}, "did you mean 'dim'"),
        ({"tail": -1}, "tail: expected 0 or more frames, got -1"),
        ({"width": 0}, "width: expected pixels"),
        ({"width": float("nan")}, "width"),
        ({"opacity": 0}, "opacity: expected a value"),
        ({"opacity": 1.5}, "got 1.5"),
        ({"scale": 0}, "scale: expected a factor"),
        ({"scale": 100}, "got 100"),
    ],
)
def test_a_value_out_of_range_is_named(options, message):
    with pytest.raises(InputError, match=message):
        Style(**options)


def test_looks_are_found_by_their_files():
    assert set(looks()) == {"trails", "dots", "arrows", "labels"}
    assert all(look.summary for look in looks().values())
    with pytest.raises(InputError, match="did you mean 'trails'"):
        find_look("trail")


@pytest.mark.parametrize(
    ("size", "low", "high"), [((640, 480), 2, 2), ((1920, 1080), 3, 3.5), ((160, 120), 0.9, 1.1)]
)
def test_lines_grow_slowly_with_the_video(size, low, high):
    assert low <= Style().width_on(size) <= high
    assert Style(width=7).width_on(size) == 7
