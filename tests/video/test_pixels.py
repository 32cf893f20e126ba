"""Conversion of pictures in memory to frames, and its errors."""

import numpy as np
import pytest
import torch

from motes.errors import InputError
from motes.video.pixels import as_rgb, on_black

GREY = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
CLEAR = np.full((2, 3, 1), 255, np.uint8)


LAYOUTS = [
    (RGB, RGB),
    (GREY, np.dstack([GREY] * 3)),
    (GREY[:, :, None], np.dstack([GREY] * 3)),
    (np.dstack([RGB, CLEAR]), RGB),
    (np.dstack([RGB, CLEAR * 0]), RGB * 0),
    (RGB / 255, RGB),
    ((RGB / 255).astype(np.float32), RGB),
    (RGB[:, ::-1], RGB[:, ::-1]),
    (torch.from_numpy(RGB).permute(2, 0, 1), RGB),
    (torch.from_numpy(RGB).permute(2, 0, 1).float() / 255, RGB),
    (torch.from_numpy(GREY)[None], np.dstack([GREY] * 3)),
    (torch.from_numpy(RGB).permute(2, 0, 1).bfloat16() / 255, RGB),
]


@pytest.mark.parametrize("picture, expected", LAYOUTS)
def test_layouts(picture, expected):
    frame = as_rgb(picture)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    assert np.array_equal(frame, expected)


def test_half_transparent_is_half_as_bright():
    rgba = np.full((1, 1, 4), (200, 100, 0, 128), np.uint8)
    assert on_black(rgba).tolist() == [[[100, 50, 0]]]


@pytest.mark.parametrize(
    "picture, message",
    [
        (np.zeros((2, 3, 5), np.uint8), r"shape \[H, W, 3\] .* got \[2, 3, 5\]"),
        (np.zeros((3,), np.uint8), r"got \[3\]"),
        (np.zeros((0, 3, 3), np.uint8), r"got \[0, 3, 3\]"),
        (np.zeros((2, 3, 3), np.complex64), "float in .* got complex64"),
        (np.full((2, 3, 3), 255.0), "expected float values in .* got 255 to 255"),
        (np.full((2, 3, 3), np.nan), "got nan to nan"),
        (torch.zeros(2, 3), r"a tensor \[3, H, W\], got \[2, 3\]"),
        ("text", "expected shape"),
    ],
)
def test_errors_name_the_expected_and_the_given(picture, message):
    with pytest.raises(InputError, match=f"frame 7: .*{message}"):
        as_rgb(picture, "frame 7")
