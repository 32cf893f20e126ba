"""The conventions of other programs: known values, and there and back."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import motes
from motes import coordinates
from motes.coordinates import Convention, Resize, from_corner, inside, to_corner

CONVENTIONS = {n: c for n, c in vars(coordinates).items() if isinstance(c, Convention)}
SIZE = (640, 480)

KNOWN = {  # (10, 20), (0, 0) and (639, 479) in each convention
    "CENTRE_DOWN": [(10, 20), (0, 0), (639, 479)],
    "CENTRE_UP": [(10, 459), (0, 479), (639, 0)],
    "CORNER_DOWN": [(10.5, 20.5), (0.5, 0.5), (639.5, 479.5)],
    "CORNER_UP": [(10.5, 459.5), (0.5, 479.5), (639.5, 0.5)],
    "UNIT_DOWN": [(0.01640625, 41 / 960), (0.00078125, 1 / 960), (0.99921875, 959 / 960)],
    "UNIT_UP": [(0.01640625, 919 / 960), (0.00078125, 959 / 960), (0.99921875, 1 / 960)],
    "SYNTHEYES": [(20 / 639 - 1, 40 / 479 - 1), (-1, -1), (1, 1)],
    "MAYA_LIVE": [
        (-1.289583333, 0.914583333),
        (-1.33125, 0.997916667),
        (1.33125, -0.997916667),
    ],
    "ONE_BASED": [(11, 21), (1, 1), (640, 480)],
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_known_values(name):
    found = CONVENTIONS[name].from_pixels(np.array([(10, 20), (0, 0), (639, 479)]), SIZE)
    np.testing.assert_allclose(found, KNOWN[name], atol=1e-9)


@pytest.mark.parametrize("name", CONVENTIONS)
@given(
    xy=st.tuples(*2 * [st.floats(-9000, 9000)]),
    size=st.tuples(*2 * [st.integers(1, 8192)]),
)
def test_there_and_back(name, xy, size):
    convention = CONVENTIONS[name]
    there = convention.from_pixels(np.array([[xy]]), size)
    np.testing.assert_allclose(convention.to_pixels(there, size), [[xy]], atol=1e-7)


def test_corners():
    assert to_corner(np.array([-0.5, 0, 3])).tolist() == [0, 0.5, 3.5]
    assert from_corner(to_corner(np.array([1.25]))).tolist() == [1.25]


def test_the_edges_of_a_picture_are_inside():
    xy = np.array([(-0.5, -0.5), (639.5, 479.5), (-0.51, 0), (0, -0.51), (639.51, 0), (0, 479.51)])
    assert inside(xy, SIZE).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("room", ["export", "data", "eval", "queries"])
def test_no_room_moves_positions_by_half_a_pixel(room):
    files = (Path(motes.__file__).parent / room).rglob("*.py")
    assert [f"{f.name}:{n.lineno}" for f in files for n in _half_pixels(f)] == []


def _half_pixels(file):
    """Sums and differences with 0.5 or -0.5."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            sides = (node.left, node.right)
            if any(isinstance(s, ast.Constant) and s.value == 0.5 for s in sides):
                yield node


def test_a_resize_keeps_the_middle_of_the_picture():
    resize = Resize((640, 480), (256, 256))
    assert resize.points([319.5, 239.5]).tolist() == [127.5, 127.5]
    assert resize.inverse([127.5, 127.5]).tolist() == [319.5, 239.5]
    assert resize.points([-0.5, -0.5]).tolist() == [-0.5, -0.5]  # the edges of the picture
