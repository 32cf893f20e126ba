"""Interlaced frames hold two moments; only the first is shown."""

import numpy as np
import pytest

from motes.video import open_video
from motes.video.fields import first_field


@pytest.mark.parametrize("H", [1, 2, 3, 8, 9])
def test_the_second_field_is_interpolated_from_the_first(H):
    ramp = np.broadcast_to(np.arange(H, dtype=np.uint8)[:, None, None] * 20, (H, 5, 3)).copy()
    combed = ramp.copy()
    combed[1::2] = 255
    still = first_field(combed)
    inner = H - 1 if H % 2 == 0 else H  # the last row of the second field has no row below it
    assert np.array_equal(still[:inner], ramp[:inner])
    assert np.array_equal(combed[1::2], np.full_like(combed[1::2], 255))


def test_videos_are_deinterlaced_however_they_are_read():
    frames = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)
    expected = np.stack([first_field(frame) for frame in frames])
    video = open_video(frames, deinterlace=True)
    assert np.array_equal(np.stack(list(video)), expected)
    assert np.array_equal(video.read(2, 4), expected[2:])
    assert np.array_equal(open_video(video, start=1)[0], expected[1])
    assert np.array_equal(open_video(frames)[0], frames[0])
