"""Frames in memory."""

import numpy as np
import pytest
import torch

from motes.errors import InputError
from motes.video import open_video

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)

SOURCES = {
    "array": (FRAMES, FRAMES),
    "list of frames": (list(FRAMES), FRAMES),
    "tensor": (torch.from_numpy(FRAMES).permute(0, 3, 1, 2), FRAMES),
    "float tensor": (torch.from_numpy(FRAMES / 255).permute(0, 3, 1, 2), FRAMES),
    "list of tensors": (list(torch.from_numpy(FRAMES).permute(0, 3, 1, 2)), FRAMES),
    "grey": (FRAMES[..., 0], FRAMES[..., :1].repeat(3, 3)),
    "one channel": (FRAMES[..., :1], FRAMES[..., :1].repeat(3, 3)),
    "four channels": (np.insert(FRAMES, 3, 255, axis=3), FRAMES),
    "float": (FRAMES / 255, FRAMES),
}


@pytest.mark.parametrize("source, expected", SOURCES.values(), ids=SOURCES)
def test_frames(source, expected):
    video = open_video(source)
    assert (video.size, video.num_frames, video.fps) == ((6, 4), 5, 25)
    assert np.array_equal(np.stack(list(video)), expected)
    assert np.array_equal(np.stack(list(video)), expected)
    assert np.array_equal(video.read(3, 5), expected[3:])


@pytest.mark.parametrize(
    "source, message",
    [
        (np.zeros((0, 4, 6, 3), np.uint8), r"at least one frame, got none .shape \[0, 4, 6, 3\]"),
        ([], "at least one frame"),
        (np.zeros((4, 6), np.uint8), r"shape \[T, H, W, 3\], got \[4, 6\]"),
        (np.zeros((1, 5, 4, 6, 3), np.uint8), r"shape \[T, H, W, 3\], got \[1, 5, 4, 6, 3\]"),
        (np.zeros((5, 3, 4, 6), np.uint8), r"frame 0: expected shape .* got \[3, 4, 6\]"),
        (torch.zeros(3, 4, 6), r"shape \[T, 3, H, W\], got \[3, 4, 6\]"),
        (torch.zeros(5, 7, 6, 3), r"frame 0: expected shape .* got \[7, 6, 3\]"),
        (np.zeros((5, 4, 6, 3), np.int32), "expected uint8, or float in .* got int32"),
        (["a.png", "b.png"], "frame 0: expected shape"),
    ],
)
def test_what_does_not_fit(source, message):
    with pytest.raises(InputError, match=message):
        open_video(source)


def test_frames_of_two_sizes():
    video = open_video([FRAMES[0], FRAMES[1][:3]])
    with pytest.raises(InputError, match="array: frame 1: expected 6x4, got 6x3"):
        list(video)
