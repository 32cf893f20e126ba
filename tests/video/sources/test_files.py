"""Every kind of file that PyAV opens: numbering, order, times, pixels, damage."""

from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest

from motes.errors import FileError, InputError
from motes.video import open_video

B_FRAMES = {"bf": 3, "g": 12}
IRREGULAR = [0, 20, 90, 110, 400] + [400 + 37 * k + k % 3 for k in range(1, 36)]

# name: (file, codec, options of the encoder)
FILES = {
    "plain": ("a.mp4", "libx264", {}),
    "B-frames": ("a.mp4", "libx264", B_FRAMES),
    "a keyframe every second frame": ("a.mp4", "libx264", {"bf": 1, "g": 2}),
    "open groups, 10 bits": (
        "a.mp4",
        "libx265",
        {"pixels": "yuv420p10le", "x265_params": "log-level=none:open-gop=1:keyint=10:bframes=4"},
    ),
    "variable rate": ("a.mp4", "libx264", {"times": IRREGULAR, **B_FRAMES}),
    "variable rate, no count": ("a.mkv", "libx264", {"times": IRREGULAR, **B_FRAMES}),
    "no count in the header": ("a.mkv", "libx264", B_FRAMES),
    "fragments": ("a.mp4", "libx264", {"g": 9, "container": {"movflags": "frag_keyframe"}}),
    "transport stream": ("a.ts", "libx264", B_FRAMES),
    "AVI": ("a.avi", "mpeg4", B_FRAMES),
    "no times at all": ("a.h264", "libx264", B_FRAMES),
    "webm": ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu_used": 8, "g": 10}),
    "GIF": ("a.gif", "gif", {"pixels": "rgb8", "fps": 25}),
    "grey": ("a.mkv", "ffv1", {"pixels": "gray"}),
    "grey, 10 bits": ("a.mkv", "ffv1", {"pixels": "gray10le"}),
    "odd size": ("a.mkv", "ffv1", {"pixels": "yuv444p", "size": (67, 33)}),
}


@pytest.mark.parametrize("file, codec, options", FILES.values(), ids=FILES)
def test_frames_come_in_order_and_at_random(file, codec, options, make_video, number_of):
    video = open_video(make_video(file, codec, **options))
    assert video.size == options.get("size", (64, 48))
    assert [number_of(frame) for frame in video] == list(range(40))
    assert video.num_frames == 40
    assert video.problem is None
    for start, stop in [(36, 40), (28, 36), (20, 28), (9, 13), (13, 14), (0, 3), (39, 50)]:
        chunk = video.read(start, stop)
        assert [number_of(frame) for frame in chunk] == list(range(start, min(stop, 40)))


@pytest.mark.parametrize("file, codec, options", FILES.values(), ids=FILES)
def test_length_is_known_before_reading(file, codec, options, make_video):
    assert open_video(make_video(file, codec, **options)).num_frames == 40


@pytest.mark.parametrize("fps", [(30000, 1001), (24000, 1001), (25, 1), (25, 2), (120, 1), (1, 2)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frame_rates_are_exact(name, fps, make_video):
    assert open_video(make_video(name, fps=Fraction(*fps), count=30)).fps == Fraction(*fps)


def test_variable_rate_is_the_average(make_video):
    fps = open_video(make_video("a.mp4", times=IRREGULAR)).fps
    assert float(fps) == pytest.approx(1000 * 40 / IRREGULAR[-1], rel=0.03)


def corners() -> np.ndarray:
    """Red, green, blue and white in the top left, top right, bottom left and bottom right."""
    frame = np.zeros((32, 48, 3), np.uint8)
    frame[:16, :24], frame[:16, 24:] = (255, 0, 0), (0, 255, 0)
    frame[16:, :24], frame[16:, 24:] = (0, 0, 255), (255, 255, 255)
    return frame


@pytest.mark.parametrize("degrees, turns", [(0, 0), (90, 1), (180, 2), (-90, 3)])
def test_rotated_recordings_come_upright(degrees, turns, encode):
    path = encode("a.mp4", [corners()] * 3, rotation=degrees, pixels="yuv420p", crf=1)
    video = open_video(path)
    expected = np.rot90(corners(), turns)  # counter-clockwise, as the display matrix means it
    assert video.size == expected.shape[1::-1]
    for frame in [*video, *video.read(1, 3)]:
        difference = np.abs(frame[4:-4:8, 4:-4:8].astype(int) - expected[4:-4:8, 4:-4:8])
        assert np.median(difference) < 8


def test_colours_follow_the_tags_of_the_file(encode):
    """Without them the same red would be off by 20."""
    red = np.full((32, 48, 3), (220, 40, 30), np.uint8)
    frame = next(iter(open_video(encode("a.mp4", [red], crf=1))))
    assert np.abs(frame.astype(int) - red).max() <= 6


@pytest.mark.parametrize("alpha, expected", [(0, 0), (128, 100), (255, 200)])
def test_alpha_is_composited_on_black(alpha, expected, encode):
    frame = np.full((32, 48, 4), (200, 200, 200, alpha), np.uint8)
    video = open_video(encode("a.mov", [frame], "qtrle", pixels="argb"))
    assert np.abs(video.read(0, 1).astype(int) - expected).max() <= 1


def test_frames_cut_away_by_an_edit_list_do_not_count(make_video, number_of, tmp_path):
    source, target = make_video("a.mp4", **B_FRAMES), tmp_path / "trimmed.mp4"
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0])
        for packet in a.demux(video=0):
            if packet.size:
                packet.pts, packet.dts = packet.pts - 10 * 1001, packet.dts - 10 * 1001
                packet.stream = stream
                b.mux(packet)
    video = open_video(target)
    assert [number_of(frame) for frame in video] == list(range(10, 40))
    assert (video.num_frames, video.problem) == (30, None)
    assert number_of(video.read(25, 26)[0]) == 35


def test_a_recording_that_begins_between_keyframes(make_video, number_of):
    path = make_video("a.ts", crf=1, **B_FRAMES)
    data = path.read_bytes()
    path.write_bytes(data[: 3 * 188] + data[len(data) // 4 // 188 * 188 :])
    video = open_video(path)
    frames = [number_of(frame) for frame in video]
    assert frames == list(range(frames[0], 40))
    assert 0 < frames[0] < 20
    assert open_video(path).num_frames == len(frames)
    assert number_of(open_video(path).read(7, 8)[0]) == frames[7]


def test_a_late_chunk_begins_at_its_keyframe(make_video, monkeypatch):
    video = open_video(make_video("a.mp4", **B_FRAMES))
    decoded = video._source._decoded
    keys = []
    monkeypatch.setattr(
        video._source, "_decoded", lambda key=None: keys.append(key) or decoded(key)
    )
    for start in (30, 15, 12, 3):
        video.read(start, start + 3)
    assert keys == [24 * 1001, 12 * 1001, 12 * 1001, 0]


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_a_truncated_file_gives_what_decodes_and_says_so(share, make_video, number_of):
    path = make_video("cut.mp4", crf=1, container={"movflags": "+faststart"}, **B_FRAMES)
    whole, data = list(open_video(path)), path.read_bytes()
    begin = data.index(b"mdat")
    path.write_bytes(data[: begin + int((len(data) - begin) * share)])
    video = open_video(path)
    frames = [number_of(frame) for frame in video]
    assert all(np.array_equal(frame, whole[number_of(frame)]) for frame in video)
    # The last frame may come without the B-frames before it, which are stored after it.
    assert frames[:-1] == list(range(len(frames) - 1))
    assert 0 < len(frames) < 40
    assert video.num_frames == len(frames)
    assert (
        video.problem
        == f"cut.mp4: read {len(frames)} of 40 frames; the file is truncated or damaged"
    )


def test_half_a_picture_is_none(encode):
    noise = np.random.default_rng(0).integers(0, 256, (6, 96, 128, 3), dtype=np.uint8)
    path = encode("a.mp4", noise, "mpeg4", g=1, container={"movflags": "+faststart"})
    whole, data = np.stack(list(open_video(path))), path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + len(data) // 2])
    frames = np.stack(list(open_video(path)))
    assert np.array_equal(frames, whole[: len(frames)])


def test_damage_inside_a_file_leaves_both_ways_of_reading_alike(make_video):
    path = make_video("a.mp4", crf=1, **B_FRAMES)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in [p for p in container.demux(video=0) if p.size][14:18]:
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    video = open_video(path)
    frames = np.stack(list(video))
    assert 30 < len(frames) < 40
    assert f"read {len(frames)} of 40" in video.problem
    assert np.array_equal(video.read(len(frames) - 5, 99), frames[-5:])


def test_frames_that_change_their_size(make_video):
    small, large = make_video("s.h264", count=5, size=(32, 32)), make_video("l.h264", count=5)
    large.write_bytes(large.read_bytes() + small.read_bytes())
    video = open_video(large)
    with pytest.raises(InputError, match=r"l\.h264: frame 5: expected 64x48, got 32x32"):
        list(video)


def silence(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))


UNREADABLE = {
    "missing": ("no.mp4", None, "found no such file"),
    "text": ("a.mp4", lambda p: p.write_text("hello\n" * 99), "Invalid data"),
    "text that FFmpeg would draw": (
        "a.txt",
        lambda p: p.write_text("hello there\n" * 99),
        "without a video",
    ),
    "empty": ("a.mp4", lambda p: p.touch(), "Invalid data"),
    "sound only": ("a.wav", silence, "without a video stream"),
}


@pytest.mark.parametrize("name, write, message", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_video(name, write, message, tmp_path):
    if write:
        write(tmp_path / name)
    with pytest.raises(FileError, match=message) as caught:
        open_video(tmp_path / name)
    assert name in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_a_header_without_frames(make_video):
    path = make_video("a.mkv")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(FileError, match="a frame that decodes"):
        open_video(path)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_a_url(make_video, number_of, tmp_path):
    """From a server that cannot seek; its length is known only when all has been read."""
    make_video("a.mp4", container={"movflags": "+faststart"}, **B_FRAMES)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        video = open_video(f"http://127.0.0.1:{server.server_port}/a.mp4")
        assert video.num_frames is None
        assert [number_of(frame) for frame in video] == list(range(40))
        assert video.num_frames == 40
        assert [number_of(frame) for frame in video.read(30, 33)] == [30, 31, 32]
        with pytest.raises(FileError, match=r"no\.mp4: expected a video, got"):
            open_video(f"http://127.0.0.1:{server.server_port}/no.mp4")
        server.shutdown()


CLIPS = Path(__file__).parents[3] / "../shared/videos"


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not beside the project")
@pytest.mark.parametrize("name", ["flower", "highway_shaky", "log_building"])
def test_real_clips(name):
    video = open_video(CLIPS / f"{name}.mp4")
    frames = np.stack(list(video))
    assert len(frames) == video.num_frames
    assert video.problem is None
    for start in (len(frames) - 8, len(frames) // 2, 5):
        assert np.array_equal(video.read(start, start + 8), frames[start : start + 8])
