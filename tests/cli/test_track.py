"""``motes track`` does what was asked for, and writes all of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from motes import FileError, Tracks, load, open_video, open_writer
from motes.cli import run, track
from motes.tracking import recording
from motes.tracking.recording import record_live, recording_folder
from motes.video.sources.streams import _captured

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
    monkeypatch.setattr(recording, "LONG", 10)
    monkeypatch.setattr("motes.tracking.recording.FRAMES_PER_PART", 10)
    monkeypatch.setattr(track, "write_outputs", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    capsys.readouterr()
    assert run(["track", str(clip), "--grid", "3", "-o", "t.npz"]) == 130
    assert capsys.readouterr().err == "motes: interrupted\n"
    assert (tmp_path / "t.npz.part" / "recording.json").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recording, "LONG", 10)
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


@pytest.mark.parametrize("long", [2000, 10])
def test_a_variable_frame_rate(long, tmp_path, monkeypatch):
    """Each frame keeps its time, in the tracks and in the picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recording, "LONG", long)
    times = np.cumsum(np.random.default_rng(0).integers(1, 200, FRAMES))
    with av.open("v.mkv", "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "bgr0"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time in times.tolist():
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), time % 256, np.uint8))
            picture.pts, picture.time_base = time, stream.time_base
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    command = "track v.mkv --model lk --grid 2 --start 3 -o t.npz -o t.csv -o t.mp4"
    assert run(command.split()) == 0
    tracks = Tracks.load("t.npz")
    seconds = (times - times[0]) / 1000
    assert np.allclose(tracks.times, seconds[3:])
    assert float(tracks.fps) == pytest.approx((FRAMES - 1) / seconds[-1], rel=1e-4)
    assert Tracks.load("t.csv") == tracks
    assert np.allclose(open_video("t.mp4").times, seconds[3:] - seconds[3], atol=1e-4)


def test_a_pipe_is_read_once(clip, tmp_path):
    """Its frames cannot be drawn over afterwards, which is said before any work."""
    motes = f'"{sys.executable}" -m motes track - --model lk --grid 2'
    with clip.open("rb") as file:
        done = subprocess.run(
            ["/bin/sh", "-c", f"cat | {motes} -o a.mp4; echo $?"],
            cwd=tmp_path, stdin=file, capture_output=True, text=True,
        )  # fmt: skip
    assert "a.mp4: expected an output with one of the suffixes" in done.stderr
    assert done.stdout == "1\n"
    with clip.open("rb") as file:
        subprocess.run(["/bin/sh", "-c", f"cat | {motes}"], cwd=tmp_path, stdin=file, check=True)
    assert [p.name for p in tmp_path.iterdir()] == ["stdin_tracks.npz"]
    assert Tracks.load(tmp_path / "stdin_tracks.npz").num_frames == FRAMES


@pytest.mark.parametrize("long", [2000, 10])
def test_names_of_queries_reach_the_outputs(long, clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recording, "LONG", long)
    (tmp_path / "q.csv").write_text("name,x,y,t\nnose,0.5,0.5,0\ntail,0.25,1,0\n")
    assert run(["track", str(clip), "--model", "lk", "--queries", "q.csv", "-o", "t.csv"]) == 0
    assert Tracks.load("t.csv").names == ("nose", "tail")
    message = "all points lie in the first pixel; pixels are expected, no fractions"
    assert capsys.readouterr().err == f"motes: queries: {message}\n"


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
    assert list(tmp_path.iterdir()) == [out]


LIVE = "track --live 0 --model lk --grid 3 -o live.csv"


class Filmed:
    """A video file in place of a camera; notes which parts are on the disk at every frame."""

    def __init__(self, path):
        self.capture, self.parts = cv2.VideoCapture(str(path)), []
        self.get, self.release = self.capture.get, self.capture.release

    def read(self):
        self.parts.append(len(list(Path().glob("live.csv.part/[0-9]*.npz"))))
        return self.capture.read()


@pytest.fixture
def cameras(clip, tmp_path, monkeypatch):
    """One for each run."""
    plugged_in = []

    def plug_in(*_):
        plugged_in.append(Filmed(clip))
        return plugged_in[-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("motes.video.sources.streams._capture", plug_in)
    monkeypatch.setitem(record_live.__kwdefaults__, "every", 10)
    return plugged_in


def as_filmed(clip):
    frames = _captured(cv2.VideoCapture(str(clip)))
    return load("lk").track(np.stack(list(frames)), grid=3)


def test_a_camera_goes_to_disk_part_by_part(clip, cameras, tmp_path, monkeypatch):
    """Neither the run nor its outputs ever hold more than a part."""
    joined, concat = [], Tracks.concat_frames
    monkeypatch.setattr(
        Tracks, "concat_frames", lambda parts: joined.append(concat(parts)) or joined[-1]
    )
    assert run([*LIVE.split(), "-o", "live.npz"]) == 0
    assert cameras[0].parts == [0] * 11 + [1] * 10 + [2] * 10  # lk answers one frame later
    assert [(t.start, t.num_frames) for t in joined] == [(0, 10), (10, 10), (20, 10)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["live.csv", "live.npz"]
    found, expected = Tracks.load("live.csv"), as_filmed(clip)
    assert np.array_equal(found.xy, expected.xy)
    assert np.array_equal(found.queries, expected.queries)
    assert Tracks.load("live.npz") == found


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [(FileError("no space"), 1, "no space"), (KeyboardInterrupt(), 130, "interrupted")],
)
def test_what_a_camera_gave_outlives_outputs(clip, cameras, monkeypatch, capsys, error, code, line):
    def fail(*_):
        raise error

    monkeypatch.setattr(track, "write_outputs", fail)
    assert run(LIVE.split()) == code
    export = "motes export live.csv.part -o FILE"
    kept = f"motes: the tracks are kept; to write them to a file: {export}\n"
    assert capsys.readouterr().err == f"{kept}motes: {line}\n"
    assert run(LIVE.split()) == 1  # nothing is written over it
    assert export in capsys.readouterr().err
    assert run(["export", "live.csv.part", "-oa.csv", "-oa.npz"]) == 0
    assert Tracks.load("a.csv") == Tracks.load("a.npz")
    assert np.array_equal(Tracks.load("a.npz").xy, as_filmed(clip).xy)
    assert capsys.readouterr().err == ""


def test_a_camera_run_that_is_killed_leaves_its_parts(cameras, monkeypatch, capsys):
    read = Filmed.read
    monkeypatch.setattr(Filmed, "read", lambda c: sys.exit() if len(c.parts) == 25 else read(c))
    with pytest.raises(SystemExit):
        run(LIVE.split())
    assert run(["export", "live.csv.part", "-oa.csv"]) == 0
    assert Tracks.load("a.csv").frames == range(20)
    assert "did not come to its end" in capsys.readouterr().err


def test_a_camera_from_a_later_frame_on(cameras):
    assert run([*LIVE.split(), "--start", "4", "--end", "20"]) == 0
    found = Tracks.load("live.csv")
    assert found.frames == range(4, 20)
    assert set(found.queries[:, 0]) == {4}
    assert found.visible[:, 0].all()


def test_a_camera_that_ends_before_the_first_frame(cameras, tmp_path, capsys):
    assert run([*LIVE.split(), "--start", "50"]) == 1
    assert capsys.readouterr().err == "motes: camera 0: expected at least one frame, got none\n"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_recording_is_not_exported(tmp_path, capsys):
    assert run(["export", str(tmp_path), "-o", "a.csv"]) == 1
    assert "expected a recording, found no recording.json" in capsys.readouterr().err


def test_models_lists_every_preset(capsys, monkeypatch):
    from motes.cli._common import console
    from motes.tracking.load import presets

    monkeypatch.setattr(console, "_width", 10_000)  # as in a pipe, wherever the test runs
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for preset in presets().values():
        assert any(preset.name in line and preset.summary in line for line in lines)


def test_models_shows_what_is_measured_and_what_can_be_fetched(capsys, monkeypatch, tmp_path):
    from motes.cli._common import console

    monkeypatch.setattr(console, "_width", 10_000)
    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    assert run(["models"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert " 61.4 " in rows["flow"]
    assert " to fetch " in rows["cotracker2"]
    assert " from its authors " in rows["taptrv2"]


def test_weights_that_cannot_be_fetched_are_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    assert run(["fetch", "taptrv2"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "licence of its authors" in err and "None" not in err


def test_models_in_a_narrow_terminal(capsys, monkeypatch):
    """A line of facts a model, then its summary, indented, in whole words."""
    from motes.cli._common import console
    from motes.tracking.load import presets

    monkeypatch.setattr(console, "_width", 80)
    assert run(["models"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for preset in presets().values():
        block = re.search(rf"^{re.escape(preset.name)} .*\n((?:  .*\n)+)", out, re.M)
        assert " ".join(block[1].split()) == preset.summary


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


def test_several_videos(clip, tmp_path, monkeypatch, capsys):
    """Each has outputs of its own; one that fails costs nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "out"):
        (tmp_path / name).mkdir()
    for name in ("a/clip.mp4", "b/clip.mp4"):
        shutil.copy(clip, name)
    (tmp_path / "broken.mp4").write_text("no video")
    arguments = [
        "track",
        "a/clip.mp4",
        "broken.mp4",
        "b/clip.mp4",
        "--model",
        "lk",
        "--grid",
        "2",
        "--end",
        "5",
    ]
    assert run([*arguments, "-o", "out/{name}.csv", "-o", "out/{name}.npz"]) == 1
    written = ["a_clip.csv", "a_clip.npz", "b_clip.csv", "b_clip.npz"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == written
    assert Tracks.load("out/a_clip.csv") == Tracks.load("out/b_clip.npz")
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("motes: broken.mp4: expected a video")
    assert err[1] == "motes: 1 of 3 videos could not be tracked"


def test_several_videos_without_outputs(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, tmp_path / "other.mp4")
    (tmp_path / "clip").mkdir()
    with open_writer("clip/", SIZE, 25) as writer:
        for frame in open_video(clip, end=3):
            writer.write(frame)
    options = ["--model", "lk", "--grid", "2", "--end", "3"]
    assert run(["track", "clip/*.png", "other.mp4", ".", *options]) == 1  # "." has no images
    names = ["clip", "clip_tracks.mp4", "clip_tracks.npz"]
    names += ["other.mp4", "other_tracks.mp4", "other_tracks.npz"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("clip.mp4 clip.mp4 -o a.csv", 'expected {name} in it, as there are 2 videos: -o "{name}.csv"'),
        ("a.mp4 b.mp4 -o {name}.csv -o a.csv", "expected {name} in it"),
        ("a.mp4 b.mp4 -o {name}.mp4", "a.mp4: expected an output that is not an input"),
        ("a.mp4 a_tracks.mp4", "a_tracks.mp4: expected an output that is not an input"),
        ("a.mp4 --latency 3 -o a.csv", "--latency: expected it together with --live"),
        ("a.mp4 --live -1 -o a.csv", "Invalid value for '--live'"),
        ("a.mp4 --start -1 -o a.csv", "Invalid value for '--start'"),
        ("--live 0 -o clip.npz", "clip.npz: expected a new file for a camera, found one"),
        ("a.mp4 --live 0 -o a.csv", "expected a video or --live, got both"),
    ],
)  # fmt: skip
def test_what_is_refused_before_any_work(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.npz").touch()
    assert run(["track", *arguments.split()]) != 0
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


def test_a_camera_takes_a_name_that_is_free(cameras, tmp_path):
    for _ in range(2):
        assert run(["track", "--live", "0", "--model", "lk", "--grid", "2", "--end", "5"]) == 0
    names = ["camera0_tracks.npz", "camera0_tracks_2.npz"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_another_run_with_the_same_output(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recording, "LONG", 10)
    arguments = ["track", str(clip), "--model", "lk", "--grid", "2", "-o", "t.csv"]
    with recording_folder("t.csv.part"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, arguments).result() == 1
    assert "another run is writing there now" in capsys.readouterr().err
    assert run(arguments) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_keypoints_is_another_word_for_corners(clip, tmp_path):
    for option in ("--corners", "--keypoints"):
        arguments = ["track", str(clip), "--model", "lk", option, "5", "-o"]
        assert run([*arguments, f"{tmp_path}/{option}.npz"]) == 0
    found = [Tracks.load(tmp_path / f"{o}.npz") for o in ("--corners", "--keypoints")]
    assert found[0] == found[1]
