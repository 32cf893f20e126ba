"""Truncated files are reported, in all containers whose structure shows it."""

import numpy as np
import pytest

from motes.video import open_video

CONTAINERS = {
    "a.mkv": ("libx264", {"bf": 2}),
    "a.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu_used": 8}),
    "a.flv": ("libx264", {}),
    "a.avi": ("mpeg4", {}),
    "a.ts": ("libx264", {"bf": 2}),
    "a.ogv": ("libvpx", {"deadline": "realtime", "cpu_used": 8}),
    "a.mp4": ("libx264", {"container": {"movflags": "+faststart"}}),
}


rng = np.random.default_rng(0)


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_file_that_was_cut_off(name, encode, numbered, number_of):
    codec, options = CONTAINERS[name]
    frames = [numbered(number, (128, 96)) for number in range(40)]
    for frame in frames:  # large enough that the end of the file is not its header
        frame[:24] = rng.integers(0, 256, (24, 128, 3))
    path = encode(name, frames, codec, **options)
    whole = open_video(path)
    assert [number_of(frame) for frame in whole] == list(range(40))
    assert whole.problem is None
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    video = open_video(path)
    frames = [number_of(frame) for frame in video]
    assert 0 < len(frames) < 40
    assert frames[:-3] == list(range(len(frames) - 3))
    assert f"{name}: read {len(frames)}" in video.problem
    assert "truncated" in video.problem
