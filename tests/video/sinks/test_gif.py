"""GIF: colours and timing."""

import av
import numpy as np
import pytest

from motes.video import open_video, open_writer


def write(path, frames, fps):
    H, W = frames[0].shape[:2]
    with open_writer(path, (W, H), fps) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def times(path):
    with av.open(str(path)) as container:
        return [(packet.pts, packet.duration) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(
    "fps, expected",
    [
        (25, [0, 4, 8, 12, 16, 20]),
        (30, [0, 3, 7, 10, 13, 17]),
        (3, [0, 33, 67, 100, 133, 167]),
        (60, [0, 2, 5, 7]),  # of 0, 2, 3, 5, 7, 8, the times that players can show
    ],
)
def test_timing(fps, expected, tmp_path, numbered):
    path = write(tmp_path / "a.gif", [numbered(n) for n in range(6)], fps)
    assert [time for time, _ in times(path)] == expected
    assert times(path)[-1][1] == max(2, round(100 / fps))


def test_every_frame_has_its_own_colours(tmp_path):
    y, x = np.mgrid[:48, :64]
    frames = [np.dstack([x * 3, y * 5, 0 * x + k]).astype(np.uint8) for k in (0, 90, 255)]
    result = np.stack(list(open_video(write(tmp_path / "a.gif", frames, 10))))
    assert np.abs(result.astype(int) - np.stack(frames)).mean() < 6
