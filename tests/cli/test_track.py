"""``motes track`` does what was asked for, and writes all of it."""

import os
import signal

import numpy as np
import pytest

from motes import Tracks, open_video, open_writer
from motes.cli import run, track

SIZE, FRAMES = (64, 48), 30


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    texture = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    texture = np.repeat(np.repeat(texture, 2, 0), 2, 1)
    with open_writer(path, SIZE, 25) as writer:
        for t in range(FRAMES):
            writer.write(np.ascontiguousarray(texture[10:58, t : t + 64]))
    return path


def test_several_outputs_at_once(clip, tmp_path, capsys):
    outputs = [tmp_path / f"t{s}" for s in (".npz", ".csv", ".json", ".parquet", ".mp4", ".gif")]
    arguments = ["track", str(clip), "--grid", "4", *(f"-o{o}" for o in outputs)]
    assert run(arguments) == 0
    first, *others = [Tracks.load(o) for o in outputs[:4]]
    assert (first.num_points, first.num_frames) == (16, FRAMES)
    assert all(other == first for other in others)
    assert [open_video(o).num_frames for o in outputs[4:]] == [FRAMES, FRAMES]
    assert capsys.readouterr().out.count("wrote") == 6


def test_without_outputs_the_names_follow_the_video(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["track", str(clip), "--points", "30,20"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip_tracks.mp4", "clip_tracks.npz"]


@pytest.mark.parametrize(
    ("options", "queries", "frames"),
    [
        ("--points 30,20;10,12 --at 5", [[5, 30, 20], [5, 10, 12]], range(30)),
        ("--points 7,30,20 --backward", [[7, 30, 20]], range(30)),
        ("--points 30,20 --start 4 --end 9 --at 6", [[6, 30, 20]], range(4, 9)),
        ("--queries q.csv --start 3", [[4, 8, 9]], range(3, 30)),
    ],
)
def test_points_and_frames(clip, tmp_path, monkeypatch, options, queries, frames):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.csv").write_text("t,x,y\n4,8,9\n")
    assert run(["track", str(clip), *options.split(), "-o", "t.npz"]) == 0
    tracks = Tracks.load("t.npz")
    assert tracks.queries.tolist() == queries
    assert tracks.frames == frames


def test_a_long_video_goes_through_a_recording(clip, tmp_path, monkeypatch, capsys):
    """An interrupted run leaves its part folder, and the next one goes on from there."""
    monkeypatch.chdir(tmp_path)
    run(["track", str(clip), "--grid", "3", "-o", "short.npz"])
    monkeypatch.setattr(track, "LONG", 10)
    monkeypatch.setattr("motes.recording.FRAMES_PER_PART", 10)
    monkeypatch.setattr(track, "write_outputs", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    capsys.readouterr()
    assert run(["track", str(clip), "--grid", "3", "-o", "t.npz"]) == 130
    assert capsys.readouterr().err == "motes: interrupted\n"
    assert (tmp_path / "t.npz.part" / "recording.json").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(track, "LONG", 10)
    assert (
        run(["track", str(clip), "--grid", "3", "-o", "t.npz", "-o", "t.csv", "-o", "t.mp4"]) == 0
    )
    assert Tracks.load("t.npz") == Tracks.load("t.csv") == Tracks.load("short.npz")
    assert open_video("t.mp4").num_frames == FRAMES
    assert "9 points, frames 0..29, " in capsys.readouterr().out
    assert not (tmp_path / "t.npz.part").exists()


def test_a_short_video_leaves_other_folders_alone(clip, tmp_path):
    (tmp_path / "t.npz.part").mkdir()
    assert run(["track", str(clip), "--model", "lk", "--grid", "3", "-o", f"{tmp_path}/t.npz"]) == 0
    assert (tmp_path / "t.npz.part").is_dir()


class Camera:
    """Gives moving frames, and does something else at frame 7."""

    def __init__(self, at_seven):
        self.at_seven, self.count = at_seven, 0
        self.texture = np.random.default_rng(0).integers(0, 255, (48, 100, 3)).astype(np.uint8)

    def get(self, _):
        return 30.0

    def read(self):
        self.count += 1
        frame = np.ascontiguousarray(self.texture[:, self.count : self.count + 64])
        return self.at_seven(frame) if self.count == 8 else (self.count < 20, frame)

    def release(self):
        pass


def interrupt(frame):
    os.kill(os.getpid(), signal.SIGINT)
    return True, frame


@pytest.mark.parametrize(
    ("at_seven", "frames", "message"),
    [
        (lambda frame: (True, frame), 19, ""),
        (lambda frame: (False, None), 7, ""),  # unplugged
        (lambda frame: (True, frame[:40]), 7, "frame 7: expected 64x48"),
        (interrupt, 8, "motes: stopped"),
    ],
)
def test_a_camera(tmp_path, monkeypatch, capsys, at_seven, frames, message):
    """Whatever ends it, what has come is kept."""
    monkeypatch.setattr("motes.video.sources.streams._capture", lambda *_: Camera(at_seven))
    out = tmp_path / "live.npz"
    arguments = ["track", "--live", "0", "--model", "lk", "--grid", "3", "-o", str(out)]
    assert run(arguments) == 0
    assert (Tracks.load(out).num_frames, Tracks.load(out).fps) == (frames, 30)
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == bool(message)


def test_models_lists_every_preset(capsys, monkeypatch):
    from motes.cli._common import console
    from motes.tracker import presets

    monkeypatch.setattr(console, "_width", 10_000)  # as in a pipe, wherever the test runs
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for preset in presets().values():
        assert any(preset.name in line and preset.summary in line for line in lines)


def test_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "-o", "out", "--model", "lk"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "sheet.png",
        "tracks.csv",
        "tracks.mp4",
    ]


def test_the_version_and_help(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("motes 0.")
    assert run(["track", "--help"]) == 0
    assert run([]) == 0
    assert "Track any point" in capsys.readouterr().out
