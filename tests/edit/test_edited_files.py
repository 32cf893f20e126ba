"""What all edits share: exact frame rate, sound as it was, and bad input in one line."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from motes.cli import run
from motes.video import open_video, open_writer

RATE = Fraction(30000, 1001)
SIZE = 96, 72
COUNT = 12


def write_clip(path):
    """Noise that moves by a pixel a frame, with a tone."""
    noise = np.random.default_rng(0).integers(0, 255, (12, 15, 3), np.uint8)
    wide = cv2.resize(noise, (120, 96), interpolation=cv2.INTER_CUBIC)
    tone = np.sin(np.arange(24000) / 20).astype(np.float32)[None]
    with av.open(str(path), "w") as out:
        video = out.add_stream("h264", RATE, width=SIZE[0], height=SIZE[1], pix_fmt="yuv420p")
        sound = out.add_stream("aac", rate=48000, layout="mono")
        for t in range(COUNT):
            picture = np.ascontiguousarray(wide[t : t + SIZE[1], t : t + SIZE[0]])
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(video.encode(None))
        for i in range(0, tone.shape[1], 1000):
            frame = av.AudioFrame.from_ndarray(tone[:, i : i + 1000], "fltp", "mono")
            frame.sample_rate, frame.pts = 48000, i
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    write_clip(folder / "clip.mp4")
    frame = next(iter(open_video(folder / "clip.mp4")))
    with open_writer(folder / "one.mp4", SIZE, 25) as writer:
        writer.write(frame)
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[25:50, 30:60] = 255
    edited = frame.copy()
    edited[mask > 0] = (255, 0, 255)
    cv2.imwrite(str(folder / "edit.png"), edited[..., ::-1])
    cv2.imwrite(str(folder / "mask.png"), mask)
    cv2.imwrite(str(folder / "empty.png"), 0 * mask)
    cv2.imwrite(str(folder / "small.png"), mask[::2, ::2])
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / "bad.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture
def folder(material, tmp_path, monkeypatch):
    for file in material.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sound_of(path):
    """The packets of the sound, as they are in the file."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize(
    "command",
    [
        "stabilise clip.mp4 --smoothness 0.1 --borders fill",
        "stabilise clip.mp4 --lock 5 --borders black",
        "attach clip.mp4 mask.png --to 40,30;60,32;58,50;38,48",
        "paint clip.mp4 --edit edit.png",
        "blur clip.mp4 --mask mask.png --at 6",
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_rate_and_sound_stay(folder, command, suffix):
    assert run(f"{command} --model lk -o out.{suffix}".split()) == 0
    written = open_video(f"out.{suffix}")
    assert (written.num_frames, written.fps, written.size) == (COUNT, RATE, SIZE)
    before, after = sound_of("clip.mp4"), sound_of(f"out.{suffix}")
    first = before.index(after[0])
    assert first <= 1  # the first packet fills the decoder, before time 0
    assert after == before[first : first + len(after)]
    assert len(after) * 1024 / 48000 >= COUNT / RATE


EDITS = [
    "stabilise {video}",
    "attach {video} edit.png --to 40,30",
    "paint {video} --edit edit.png",
    "blur {video} --mask mask.png",
]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize(
    ("video", "output", "message"),
    [
        ("clip.mp4", "clip.mp4", "expected an output that is not an input"),
        ("clip.mp4", "none/out.mp4", "expected an existing folder"),
        ("clip.mp4", "out.xyz", "expected"),
        ("none.mp4", "out.mp4", "none.mp4"),
        ("bad.mp4", "out.mp4", "bad.mp4"),
    ],
)
def test_bad_files(folder, capsys, edit, video, output, message):
    check_refused(folder, capsys, f"{edit.format(video=video)} -o {output}", message)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("attach clip.mp4 edit.png --to 400,30", "400"),
        ("attach clip.mp4 edit.png --to nan,30", "nan"),
        ("attach clip.mp4 edit.png --to 40,30 --at 99", "99"),
        ("attach clip.mp4 edit.png --to 40,30 --width nan", "nan"),
        ("attach clip.mp4 edit.png --to 40,30 --opacity nan", "opacity"),
        ("attach clip.mp4 edit.png --to 40,30 --shutter nan", "shutter"),
        ("attach clip.mp4 edit.png --to empty.png", "empty mask"),
        ("attach clip.mp4 edit.png --to small.png", "expected the size of the video"),
        ("attach clip.mp4 bad.png --to 40,30", "bad.png"),
        ("attach clip.mp4 bad.mp4 --to 40,30", "bad.mp4"),
        ("attach clip.mp4 edit.png --to 10,10;20,20;30,30", "points"),
        ("paint clip.mp4 --edit small.png", "expected the size of the video"),
        ("paint clip.mp4 --edit bad.png", "bad.png"),
        ("paint clip.mp4 --edit edit.png -o edit.png", "edit.png"),
        ("blur clip.mp4 --mask bad.png", "bad.png"),
        ("blur clip.mp4 --mask empty.png", "empty mask"),
        ("stabilise clip.mp4 --smoothness nan", "smoothness"),
        ("stabilise one.mp4", "at least two frames"),
        ("stabilise clip.mp4 --follow empty.png", "empty mask"),
        ("stabilise clip.mp4 --follow bad.png", "bad.png"),
        ("stabilise clip.mp4 --lock -1", "-1"),
    ],
)
def test_bad_values(folder, capsys, command, message):
    output = "" if " -o " in command else " -o out.mp4"
    check_refused(folder, capsys, command + output, message)


def check_refused(folder, capsys, command, message):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert run(f"{command} --model lk".split()) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert "unexpected" not in told
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("edit", EDITS[1:])
def test_one_frame_is_enough_to_cover_it(folder, edit):
    assert run(f"{edit.format(video='one.mp4')} --model lk -o out.mp4".split()) == 0
    assert open_video("out.mp4").num_frames == 1
