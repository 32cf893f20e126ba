from fractions import Fraction

import numpy as np
import pytest

from motes.errors import FileError, InputError
from motes.rendering import Style, render
from motes.tracks import Tracks
from motes.video import open_video

FOOTAGE = np.random.default_rng(1).integers(0, 256, (12, 48, 64, 3), np.uint8)


def test_importing_the_package_does_not_hide_the_public_function(tmp_path, moving):
    import motes
    import motes.rendering.colors

    assert motes.render is render
    motes.render(FOOTAGE, moving, tmp_path / "out.gif", look="dots")
    assert (tmp_path / "out.gif").is_file()


def test_the_frames_of_the_tracks_are_written_at_their_rate(tmp_path, moving):
    later = Tracks.from_dict({**moving.to_dict(), "start": 3, "fps": (30000, 1001)})
    seen = []
    render(FOOTAGE, later, tmp_path / "out.mp4", progress=seen.append)
    written = open_video(tmp_path / "out.mp4")
    assert len(list(written)) == 8
    assert written.fps == Fraction(30000, 1001)
    assert seen == [1] * 8


def test_the_right_frames_are_drawn_over(tmp_path, moving):
    later = Tracks.from_dict({**moving.to_dict(), "start": 3})
    footage = np.zeros_like(FOOTAGE) + np.arange(12, dtype=np.uint8)[:, None, None, None]
    render(footage, later, f"{tmp_path / 'stills'}/", look="dots", hidden=False)
    frames = list(open_video(tmp_path / "stills"))
    assert [int(frame[-1, -1, 0]) for frame in frames] == list(range(3, 11))
    peaks = [frame.max(-1)[8].argmax() for frame in frames[:3]]
    assert np.diff(peaks).min() > 0  # the point moves with the frames


@pytest.mark.parametrize(("size", "scale"), [((33, 27), 1), ((33, 27), 2), ((64, 48), 0.5)])
def test_any_size_can_be_written(tmp_path, build, size, scale):
    W, H = size
    tracks = build(np.full((1, 3, 2), 9.0), size=size)
    render(np.zeros((3, H, W, 3), np.uint8), tracks, tmp_path / "out.mp4", scale=scale)
    written = open_video(tmp_path / "out.mp4").size
    assert all(0 <= w - side * scale <= 1 for w, side in zip(written, size, strict=True))


@pytest.mark.parametrize(
    ("video", "options", "error", "message"),
    [
        (FOOTAGE[:, :, :32], {}, InputError, "expected 64x48 pixels, as the tracks have, got 32"),
        (FOOTAGE[:5], {}, InputError, "expected frames 0..7, as the tracks have, .* 5 frames"),
        (FOOTAGE, {"colour": "speed"}, InputError, "unknown option 'colour'; a style has look"),
        (FOOTAGE, {"look": "tails"}, InputError, "did you mean 'trails'"),
        (FOOTAGE, {"style": Style(), "tail": 3}, InputError, "either style= or single options"),
        ("no such.mp4", {}, FileError, "no such"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_left(
    tmp_path, moving, video, options, error, message
):
    with pytest.raises(error, match=message):
        render(video, moving, tmp_path / "out.mp4", **options)
    assert list(tmp_path.iterdir()) == []


def test_tracks_without_frames(tmp_path, build):
    with pytest.raises(InputError, match="at least one frame"):
        render(FOOTAGE, build(np.zeros((1, 0, 2))), tmp_path / "out.mp4")
