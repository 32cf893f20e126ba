"""Every kind of file that PyAV opens: numbering, order, times, pixels, damage."""

import zlib
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import av
import numpy as np
import pytest

from motes.errors import FileError
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
    assert float(fps) == pytest.approx(1000 * 39 / IRREGULAR[-1], rel=1e-4)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_times_of_a_variable_rate(name, make_video):
    path = make_video(name, times=IRREGULAR, **B_FRAMES)
    assert np.allclose(open_video(path).times, np.array(IRREGULAR) / 1000, atol=1e-4)
    part = open_video(path, start=3, end=7)
    assert np.allclose(part.times, np.array(IRREGULAR[3:7]) / 1000, atol=1e-4)
    assert open_video(make_video(name)).times is None


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
    expected = np.rot90(corners(), turns)  # the display matrix turns counter-clockwise
    assert video.size == expected.shape[1::-1]
    for frame in [*video, *video.read(1, 3)]:
        difference = np.abs(frame[4:-4:8, 4:-4:8].astype(int) - expected[4:-4:8, 4:-4:8])
        assert np.median(difference) < 8


def test_colours_follow_the_tags_of_the_file(encode):
    """Without the tags, the same red would differ by 20."""
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


def test_frames_cut_away_at_the_end_by_an_edit_list_do_not_count(make_video, number_of):
    path = make_video("a.mp4", bf=3, g=12, fps=25)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    length = int.from_bytes(data[at : at + 4])
    data[at : at + 4] = (length * 25 // 40).to_bytes(4)
    path.write_bytes(data)
    video = open_video(path)
    assert [number_of(frame) for frame in video] == list(range(video.num_frames))
    assert 25 <= video.num_frames <= 26
    assert video.problem is None
    assert open_video(path).num_frames == video.num_frames
    assert number_of(open_video(path, start=20)[0]) == 20


def test_recordings_that_were_joined(make_video, number_of):
    """Their times start again, so the length is known only after reading all frames."""
    first, second = make_video("a.ts", count=40, **B_FRAMES), make_video("b.ts", count=19)
    first.write_bytes(first.read_bytes() + second.read_bytes())
    video = open_video(first)
    assert video.num_frames is None
    assert [number_of(frame) for frame in video] == [*range(40), *range(19)]
    assert (video.num_frames, video.fps, video.times) == (59, Fraction(30000, 1001), None)
    assert number_of(open_video(first).read(45, 46)[0]) == 5


def test_a_stream_that_appears_late(make_video, numbered, number_of, tmp_path):
    """PyAV raises an IndexError there."""
    path = make_video("a.ts", count=40)
    with av.open(str(tmp_path / "b.ts"), "w") as out:
        video = out.add_stream("libx264", rate=Fraction(30000, 1001))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("mp2", rate=48000)
        for number in range(40):
            picture = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            picture.pts = number + 100
            out.mux(video.encode(picture))
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 3200), np.int16), "s16", "stereo")
            tone.sample_rate, tone.pts = 48000, number * 1600 + 160000
            out.mux(sound.encode(tone))
        out.mux(video.encode(None))
    path.write_bytes(path.read_bytes() * 40 + (tmp_path / "b.ts").read_bytes())
    frames = [number_of(frame) for frame in open_video(path)]
    assert frames == [*range(40)] * 41


@pytest.mark.parametrize("name", ["12:30:05.mp4", "what?.mp4", "a[1].mp4", "100%.mp4", "a b.mp4"])
def test_names_that_look_like_something_else(name, make_video, number_of):
    path = make_video("a.mp4", count=3)
    path = path.rename(path.with_name(name))
    for source in (path, str(path), f"file://{quote(str(path))}"):
        video = open_video(source)
        assert [number_of(frame) for frame in video] == [0, 1, 2]
        assert (video.name, list(video.files)) == (name, [path])


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


def test_a_late_chunk_is_approached_from_a_keyframe(make_video, monkeypatch):
    video = open_video(make_video("a.mp4", **B_FRAMES))
    decoded = video._source._decoded
    keys = []
    monkeypatch.setattr(
        video._source, "_decoded", lambda key=None: keys.append(key) or decoded(key)
    )
    for start in (35, 30, 21, 15, 3):
        video.read(start, start + 3)
    assert keys == [24 * 1001, 16 * 1001, 12 * 1001, 4 * 1001, None]  # at least 8 frames before


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_a_truncated_file_gives_its_complete_frames_and_reports_it(share, make_video, number_of):
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


def test_an_incomplete_picture_is_no_frame(encode):
    noise = np.random.default_rng(0).integers(0, 256, (6, 96, 128, 3), dtype=np.uint8)
    path = encode("a.mp4", noise, "mpeg4", g=1, container={"movflags": "+faststart"})
    whole, data = np.stack(list(open_video(path))), path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + len(data) // 2])
    frames = np.stack(list(open_video(path)))
    assert np.array_equal(frames, whole[: len(frames)])


def damaged(path: Path, *order: int) -> Path:
    """Overwrite packets, counted in the order of decoding."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        for packet in [packets[i] for i in order]:
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    return path


# damaged packets, frames that do not decode for it, the first frame that is right again
DAMAGE = {
    "references": ([14, 15, 16], range(13, 18), 24),
    "near the end": ([34], [34], 36),
    "the last": ([38], [37], 38),
}


@pytest.mark.parametrize("packets, lost, again", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_frame_keeps_its_number(packets, lost, again, make_video, number_of):
    path = damaged(make_video("a.mp4", crf=1, bf=3, g=12), *packets)
    video = open_video(path)
    whole = list(video)
    assert len(whole) == video.num_frames == 40
    right = [*range(lost[0] - 2), *range(again, 40)]
    assert [number_of(whole[n]) for n in right] == right
    assert all(np.array_equal(whole[n], whole[lost[0] - 1]) for n in lost)
    named = f"{lost[0]}..{lost[-1]}" if len(lost) > 1 else f"{lost[0]}"
    assert video.problem == f"a.mp4: damaged: frames {named}"
    part = open_video(path, start=lost[0], end=lost[-1] + 1)
    assert len(list(part)) == len(lost)
    assert f"frames {named}" in part.problem
    for start in (*lost, again, 39):
        assert np.array_equal(open_video(path).read(start, start + 1)[0], whole[start])


@pytest.mark.parametrize("name, codec", [("a.avi", "mpeg4"), ("a.h264", "libx264")])
def test_without_times_only_frames_that_do_not_decode_are_lost(name, codec, make_video):
    path = make_video(name, codec, bf=2, g=10)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        sizes = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    position, size = sizes[11]
    data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    frames = list(open_video(path))
    assert len(frames) >= 36
    for start in (20, 33):
        assert np.array_equal(open_video(path, start=start)[0], frames[start])


def test_damage_at_the_start_counts_from_the_first_frame_that_decodes(make_video, number_of):
    path = damaged(make_video("a.mp4", crf=1, bf=0, g=12), 0, 1)
    frames = [number_of(frame) for frame in open_video(path)]
    assert 0 < frames[0] < 12
    assert frames == list(range(frames[0], 40))
    assert open_video(path).num_frames == len(frames)
    assert number_of(open_video(path, start=20)[0]) == frames[20]


def test_frames_that_change_their_size(make_video):
    small, large = make_video("s.h264", count=5, size=(32, 32)), make_video("l.h264", count=5)
    large.write_bytes(large.read_bytes() + small.read_bytes())
    video = open_video(large)
    assert len(list(video)) == 5
    assert video.problem == "l.h264: read 5 of 10 frames; the size changes to 32x32"


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
def test_files_that_are_no_video(name, write, message, tmp_path):
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
    """From a server without seeking; the length is known only after reading all frames."""
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


SHARED = Path(__file__).parents[3] / "../shared"
REAL = {
    **{f"videos/{name}.mp4": None for name in ("flower", "highway_shaky", "log_building")},
    "field/cockatoo.mp4": None,
    "field/test.avi": None,
    "field/corrupted.mp4": "corrupted.mp4: damaged: frames 30, 32",
    "field/Error_I_P.264": "Error_I_P.264: read 2 of 6 frames; the size changes to 640x480",
    "field/newtonscradle.gif": None,
    "field/clock.png": None,
    "field/centered_pair_small.mp4": None,
}


def fingerprint(frame: np.ndarray) -> int:
    return zlib.crc32(frame[::2, ::2].tobytes())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips are not beside the project")
@pytest.mark.parametrize("name, problem", REAL.items(), ids=REAL)
def test_frame_n_is_frame_n_however_it_is_reached(name, problem):
    video = open_video(SHARED / name)
    frames = [fingerprint(frame) for frame in video]
    assert len(frames) == video.num_frames
    assert (video.problem or "").startswith(problem or "")
    assert (video.problem is None) == (problem is None)
    rng = np.random.default_rng(len(frames))
    for start in [*rng.integers(1, len(frames), 2), len(frames) - 1]:
        part = islice(open_video(SHARED / name, start=int(start)), 4)
        assert [fingerprint(frame) for frame in part] == frames[start : start + 4]
