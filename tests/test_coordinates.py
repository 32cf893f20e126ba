"""The conventions of other programs: known values, and there and back."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import motes
from motes import coordinates
from motes.coordinates import (
    Convention,
    Resize,
    ResizeRule,
    from_corner,
    inside,
    pixels_to_raster,
    raster_to_pixels,
    to_corner,
)
from motes.errors import InputError

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


def test_raster_coordinates_are_float32():
    raster = pixels_to_raster(np.array([[10.0, 20.0]]), SIZE)
    assert raster.dtype == np.float32
    np.testing.assert_allclose(raster, [KNOWN["UNIT_DOWN"][0]], rtol=1e-6)
    pixels = raster_to_pixels(np.array([KNOWN["UNIT_DOWN"][0]]), SIZE)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, [[10, 20]], rtol=1e-6)


def test_conventions_take_integers_and_give_float64():
    assert coordinates.CENTRE_UP.from_pixels(np.array([1, 2]), SIZE).dtype == np.float64


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


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize(
    ("rule", "source", "target"),
    [
        ({"size": (96, 128)}, (640, 480), (128, 96)),
        ({}, (641, 479), (641, 479)),
        ({"long_side": 320}, (640, 480), (320, 240)),
        ({"long_side": 320}, (480, 640), (240, 320)),
        ({"long_side": 320}, (240, 160), (240, 160)),  # nothing is enlarged
        ({"multiple": 8}, (101, 44), (104, 48)),
        ({"long_side": 100, "multiple": 8}, (1000, 10), (96, 8)),  # at least one multiple
        ({"long_side": 100}, (1000, 1), (100, 1)),
    ],
)
def test_the_size_at_which_a_model_works(rule, source, target, corners):
    assert ResizeRule(**rule, corners=corners).plan(source) == Resize(source, target, corners)


@pytest.mark.parametrize(
    ("source", "target", "there", "here"),
    [
        ((640, 480), (320, 240), [639, 479], [319, 239]),
        ((2, 3), (5, 7), [1, 1], [4, 3]),
        ((1, 1), (4, 3), [1, 1], [3, 2]),  # a single pixel has no width between centres
    ],
)
def test_a_resize_of_corners_maps_the_outermost_centres(source, target, there, here):
    resize = Resize(source, target, corners=True)
    assert resize.points(there).tolist() == here
    assert resize.points([0, 0]).tolist() == [0, 0]
    if min(source) > 1:
        assert resize.inverse(here).tolist() == there


@pytest.mark.parametrize("corners", [False, True])
def test_resized_points_are_float32_of_exact_values(corners):
    xy = Resize(SIZE, SIZE, corners).points(np.float32([1e-6, 2e-6]))
    assert xy.dtype == np.float32
    np.testing.assert_allclose(xy, [1e-6, 2e-6], rtol=1e-6)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("target", [(8, 4), (31, 20)])
def test_frames_and_points_are_resized_alike(target, corners):
    """In frames whose pixels hold their own x and y, each point finds its own position."""
    resize = Resize((16, 12), target, corners)
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(16.0), indexing="ij")
    frames = resize.frames(torch.stack([x, y, x])[None])
    assert frames.shape == (1, 3, *target[::-1])
    v, u = np.mgrid[1 : target[1] - 1, 1 : target[0] - 1]
    found = frames[0, :2, v, u].permute(1, 2, 0).numpy()
    expected = resize.inverse(np.stack([u, v], -1))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("corners", "mean"), [(False, 0.25), (True, 0)])
def test_reductions_are_smoothed_unless_corners_are_aligned(corners, mean):
    frames = torch.zeros(1, 3, 4, 33)
    frames[..., 2::4] = 1  # one column in four; of the centres 0, 4, 8... none is one of them
    frames = Resize((33, 4), (9, 4), corners).frames(frames)
    assert frames[0, 0, 0, 2:-2].numpy() == pytest.approx(mean, abs=0.05)


def test_frames_of_the_right_size_are_handed_on():
    frames = torch.zeros(2, 3, 4, 6)
    assert Resize((6, 4), (6, 4)).frames(frames) is frames
    for resize in (Resize((4, 6), (8, 8)), Resize((6, 5), (6, 4))):
        W, H = resize.source
        with pytest.raises(InputError, match=f"frame size: expected {W}x{H}, got 6x4"):
            resize.frames(frames)
