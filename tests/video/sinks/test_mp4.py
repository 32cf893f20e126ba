"""mp4 as browsers want it."""

from fractions import Fraction

import av
import numpy as np
import pytest

from motes.video import open_video, open_writer


def write(path, frames, fps=25):
    H, W = frames[0].shape[:2]
    with open_writer(path, (W, H), fps) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def smooth(W, H):
    y, x = np.mgrid[:H, :W]
    return np.dstack([x * 255 / W, y * 255 / H, 128 + 0 * x]).astype(np.uint8)


def test_plays_in_a_browser(tmp_path):
    path = write(tmp_path / "a.mp4", [smooth(64, 48)] * 3)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


@pytest.mark.parametrize(
    "size, expected", [((64, 48), (64, 48)), ((63, 47), (64, 48)), ((1, 1), (2, 2))]
)
def test_odd_sizes_repeat_the_edge(size, expected, tmp_path):
    image = smooth(*size)
    video = open_video(write(tmp_path / "a.mp4", [image] * 3))
    padding = [(0, b - a) for a, b in zip(size[::-1], expected[::-1], strict=True)]
    padded = np.pad(image, [*padding, (0, 0)], "edge")
    assert video.size == expected
    assert np.abs(video.read(2, 3)[0].astype(int) - padded).mean() < 4


@pytest.mark.parametrize(
    "fps, expected",
    [
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        (Fraction(25, 2), Fraction(25, 2)),
        (Fraction(480000, 18923), Fraction(480000, 18923)),
        (240, 240),
        (29.97, Fraction(2997, 100)),
    ],
)
def test_frame_rates_are_exact(fps, expected, tmp_path):
    video = open_video(write(tmp_path / "a.mp4", [smooth(64, 48)] * 9, fps))
    assert (video.fps, video.num_frames) == (expected, 9)


def test_colours_survive(tmp_path):
    patches = np.zeros((64, 96, 3), np.uint8)
    for k, colour in enumerate([(220, 40, 30), (30, 200, 60), (40, 60, 230)]):
        patches[:, 32 * k : 32 * k + 32] = colour
    frame = open_video(write(tmp_path / "a.mp4", [patches] * 3)).read(1, 2)[0]
    assert np.abs(frame[:, 16::32].astype(int) - patches[:, 16::32]).max() <= 6
