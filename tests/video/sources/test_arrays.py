"""Frames in memory."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

from motes.errors import InputError
from motes.video import open_video

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
FRAMES[0, 0, 0], FRAMES[0, 0, 1] = 0, 255  # the whole range
GREY = FRAMES[..., :1].repeat(3, 3)

SOURCES = {
    "array": (FRAMES, FRAMES),
    "list of frames": (list(FRAMES), FRAMES),
    "tensor": (torch.from_numpy(FRAMES).permute(0, 3, 1, 2), FRAMES),
    "float tensor": (torch.from_numpy(FRAMES / 255).permute(0, 3, 1, 2), FRAMES),
    "list of tensors": (list(torch.from_numpy(FRAMES).permute(0, 3, 1, 2)), FRAMES),
    "grey": (FRAMES[..., 0], GREY),
    "one channel": (FRAMES[..., :1], GREY),
    "four channels": (np.insert(FRAMES, 3, 255, axis=3), FRAMES),
    "float": (FRAMES / 255, FRAMES),
    "two channels": (np.stack([FRAMES[..., 0], np.full((5, 4, 6), 255, np.uint8)], -1), GREY),
    "bool": (FRAMES[..., 0] > 99, (GREY > 99) * np.uint8(255)),
    "bytes of 16 bits": (FRAMES.astype(np.uint16) * 257, FRAMES),
    "PIL images": ([Image.fromarray(frame) for frame in FRAMES], FRAMES),
    "PIL palettes": (
        [Image.fromarray(f).convert("P", palette=1, colors=99) for f in FRAMES],
        FRAMES,
    ),
    "frames of PyAV": ([av.VideoFrame.from_ndarray(f, format="rgb24") for f in FRAMES], FRAMES),
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
        (torch.zeros(5, 7, 6, 3), r"frame 0: expected shape .* got \[6, 3, 7\]"),
        (np.zeros((5, 4, 6, 3), np.complex64), "expected uint8, bool, .* got complex64"),
    ],
)
def test_bad_input(source, message):
    with pytest.raises(InputError, match=message):
        open_video(source)


def test_frames_of_two_sizes():
    video = open_video([FRAMES[0], FRAMES[1][:3]])
    with pytest.raises(InputError, match="array: frame 1: expected 6x4, got 6x3"):
        list(video)


@pytest.mark.parametrize("kind", [np.array, lambda f: iter(f), torch.tensor])
def test_ten_bits_have_ten_bits_of_grey(kind, caplog):
    """All frames are scaled by one range, and one warning; not by the range of the type: 5 levels."""
    ramp = np.arange(1024, dtype=np.uint16).reshape(1, 1, 32, 32).repeat(2, 0)
    ramp[1] //= 2
    deep = (
        torch.tensor(ramp.repeat(3, 1).astype(np.int16))
        if kind is torch.tensor
        else kind(ramp[:, 0])
    )
    first, second = open_video(deep)
    assert np.abs(first[..., 0].ravel().astype(float) - np.arange(1024) / 1023 * 255).max() <= 0.51
    assert np.abs(second.astype(int) - first // 2).max() <= 1
    assert len(caplog.records) == 1
    assert "scaled to 8 bits" in caplog.text
