"""mp4 files for browsers; times, pixel aspect ratio and sound of another video."""

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


@pytest.fixture
def spoken(tmp_path):
    """Two seconds at 25 fps, with a tone (AAC) that starts after one second."""
    path = tmp_path / "spoken.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(16, 11)
        sound = out.add_stream("aac", rate=48000)
        for number in range(50):
            picture = av.VideoFrame.from_ndarray(smooth(64, 48), format="rgb24")
            picture.pts = number
            out.mux(video.encode(picture))
        for number in range(94):
            loud = 8000 * (number >= 47)
            wave = loud * np.sin(np.arange(1024) / 9)[None].repeat(2, 0)
            tone = av.AudioFrame.from_ndarray(wave.astype(np.float32) / 32768, "fltp", "stereo")
            tone.sample_rate, tone.pts = 48000, number * 1024
            out.mux(sound.encode(tone))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    return path


def loudness(path):
    with av.open(str(path)) as container:
        blocks = [f.to_ndarray() for f in container.decode(audio=0)]
    return np.concatenate(blocks, 1)[0]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize("start", [0, 13])
def test_sound_is_copied_with_its_frames(name, start, spoken, tmp_path):
    source = open_video(spoken, start=start, end=40)
    with open_writer(tmp_path / name, (64, 48), 25, like=source) as writer:
        for frame in source:
            writer.write(frame)
    heard = np.abs(loudness(tmp_path / name)) > 0.01
    begin = heard.argmax() / 48000
    assert begin == pytest.approx(47 * 1024 / 48000 - start / 25, abs=0.06)
    assert len(heard) / 48000 == pytest.approx((40 - start) / 25, abs=0.06)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


def test_sound_that_a_container_does_not_support_is_left_out(spoken, tmp_path, caplog):
    source = open_video(spoken)
    with open_writer(tmp_path / "a.webm", (64, 48), 25, like=source) as writer:
        for frame in source:
            writer.write(frame)
    assert "its sound (aac) cannot be copied" in caplog.text
    assert open_video(tmp_path / "a.webm").num_frames == 50


def test_pixels_that_are_not_square(spoken, tmp_path):
    source = open_video(spoken)
    assert source.pixel_aspect == Fraction(16, 11)
    for name in ("a.mp4", "a.mkv"):
        with open_writer(tmp_path / name, (64, 48), 25, like=source) as writer:
            writer.write(smooth(64, 48))
        assert open_video(tmp_path / name).pixel_aspect == Fraction(16, 11)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif"])
def test_true_times(name, encode, tmp_path):
    times = [0, 40, 120, 140, 500, 510, 900]
    source = open_video(encode("v.mkv", [smooth(64, 48)] * 7, times=times), start=1)
    with open_writer(tmp_path / name, (64, 48), source.fps, like=source) as writer:
        for frame in source:
            writer.write(frame)
    found = open_video(tmp_path / name).times
    expected = (np.array(times[1:]) - 40) / 1000
    if name == "a.gif":  # browsers do not show a frame for less than 20 ms
        expected = np.delete(expected, 4)
    assert np.allclose(found, expected, atol=0.002)
