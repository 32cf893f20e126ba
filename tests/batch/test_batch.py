"""Many videos: a broken one costs itself only, and a killed run goes on where it was."""

import json
import multiprocessing
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

import motes
from motes.batch.jobs import Options, read_jobs
from motes.batch.local import run_local
from motes.batch.work import check_formats, track_video
from motes.cli import run
from motes.errors import FileError, InputError

COUNT, FRAMES = 6, 8


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Short clips in two folders, and a file that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (90, 120, 3)).astype(np.uint8), (5, 5), 1)
    for number in range(COUNT):
        path = folder / ("a" if number % 2 else "b") / f"{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        with motes.open_writer(path, (64, 48), 25) as writer:
            for t in range(FRAMES):
                writer.write(np.ascontiguousarray(texture[number + t :, t:][:48, :64]))
    (folder / "a/broken.mp4").write_text("this is no video")
    return folder


def batch(clips, out, *more):
    options = ["--model", "lk", "--grid", "3", "--formats", "csv,npz", "--workers", "2"]
    return run(["batch", str(clips), "-o", str(out), *options, *more])


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and "ledger" not in p.name
    }


@pytest.fixture(scope="module")
def finished(clips, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert batch(clips, out) == 1  # one video is broken
    return out


def test_a_broken_video_costs_that_video_only(clips, finished):
    names = {f"{'a' if n % 2 else 'b'}/{n}" for n in range(COUNT)}
    assert set(contents(finished)) == {f"{name}.{s}" for name in names for s in ("csv", "npz")}
    with sqlite3.connect(finished / "ledger.sqlite") as base:
        rows = dict(base.execute("SELECT name, state FROM videos"))
        error = base.execute("SELECT error FROM videos WHERE state = 'failed'").fetchone()[0]
        facts = base.execute("SELECT frames, points, version FROM videos WHERE name = 'a/1'")
        assert facts.fetchone() == (FRAMES, 9, motes.__version__)
    assert rows == {**dict.fromkeys(names, "done"), "a/broken": "failed"}
    assert "broken.mp4: expected a video" in error


def test_the_outputs_are_those_of_track(clips, finished, tmp_path):
    alone = motes.load("lk").track(clips / "a/1.mp4", grid=3)
    alone.save(tmp_path / "1.csv")
    assert (tmp_path / "1.csv").read_bytes() == (finished / "a/1.csv").read_bytes()


def test_a_second_run_does_only_what_is_missing_or_failed(clips, finished, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "a/1.csv").unlink()
    assert batch(clips, out, "--json") == 1
    entries = {e["name"]: e for e in json.loads(capsys.readouterr().out)}
    with sqlite3.connect(finished / "ledger.sqlite") as base:
        before = dict(base.execute("SELECT name, started FROM videos"))
    again = {name for name, entry in entries.items() if entry["started"] != before[name]}
    assert again == {"a/1", "a/broken"}
    assert contents(out) == contents(finished)


def test_no_retry_leaves_failed_videos_alone(clips, finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    ledger = (out / "ledger.sqlite").read_bytes()
    assert batch(clips, out, "--no-retry") == 1
    assert (out / "ledger.sqlite").read_bytes() == ledger


def test_a_killed_run_goes_on_and_gives_the_same_files(clips, finished, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "motes", "batch", str(clips), "-o", str(out)]
    command += ["--model", "lk", "--grid", "3", "--formats", "csv,npz", "--workers", "2"]
    for kill_when in (1, 5):  # files that are there when the run is killed
        killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while killed.poll() is None and len(list(out.rglob("*.csv"))) < kill_when:
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert batch(clips, out) == 1
    assert contents(out) == contents(finished)


def test_a_worker_that_is_killed_costs_its_video_only(clips, tmp_path):
    jobs = read_jobs([str(clips / "b")], Options(model="lk", grid=3), ["csv"])
    states = {}
    for event in run_local(jobs, str(tmp_path), workers=1):
        if event.job == jobs[1] and event.job.name not in states:
            multiprocessing.active_children()[0].kill()
        states[event.job.name] = (event.state, event.value)
    assert [states[job.name][0] for job in jobs] == ["done", "failed", "done"]
    assert "ended unexpectedly (SIGKILL)" in states[jobs[1].name][1]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("batch none -o out", "none: expected a video, a folder"),
        ("batch . -o out --formats xyz", "--formats: expected different formats"),
        ("batch . -o out --formats csv,csv", "--formats: expected different formats"),
        ("batch . -o out --grid 3 --corners 3", "got grid and corners"),
        ("batch . -o out --formats csv,cornerpin.nk", "clip.mp4: expected 4 points for the format"),
        ("batch . -o out --formats cornerpin.nk --points 1,2", "cornerpin.nk, got 1"),
        ("batch . -o out --runtime tensorrt", "unknown runtime 'tensorrt'"),
        ("batch . -o out --workers 0", "--workers: expected at least 1, got 0"),
        ("batch . -o file/out", "cannot make the folder file/out"),
        ("batch . -o memory://out", "--ledger: expected a local file"),
        ("batch . -o out --cluster auto --stretch -1", "--stretch: expected a number of frames"),
        ("batch . -o out --cluster here", "--cluster: expected auto or HOST:PORT"),
        ("batch . -o out --cluster 127.0.0.1:1", "cluster 127.0.0.1:1: cannot be reached"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "file").touch()
    assert run(arguments.split()) != 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "out/clip.csv").exists()


def test_points_that_only_the_video_tells_are_counted_before_it_is_tracked(clips, tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((48, 64), 255, np.uint8))
    options = Options(model="lk", grid=3, mask=str(tmp_path / "mask.png"))
    jobs = read_jobs([str(clips / "b/0.mp4")], options, ["cornerpin.nk"])
    check_formats(jobs)
    with pytest.raises(InputError, match=r"expected 4 points for the format cornerpin\.nk, got 9"):
        track_video(jobs[0], str(tmp_path), progress=pytest.fail)


def test_the_runtime_is_that_of_the_option(clips, tmp_path):
    options = Options(grid=3, weights=str(tmp_path), runtime="onnx")
    jobs = read_jobs([str(clips / "b/0.mp4")], options, ["csv"])
    with pytest.raises(FileError, match=r"written by motes export-model, got: no config\.json"):
        track_video(jobs[0], str(tmp_path))


@pytest.mark.parametrize("more", [[], ["--ledger", "other.sqlite"]])
def test_two_runs_in_one_folder(clips, tmp_path, monkeypatch, capsys, more):
    monkeypatch.chdir(tmp_path)
    holder = f"""
from pathlib import Path
from motes.cli.batch import _locked
with _locked(Path({str(tmp_path)!r}) / "ledger.sqlite", {str(tmp_path)!r}):
    print("locked", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        assert batch(clips, tmp_path, *more) != 0
        other.communicate(b"\n")
    err = capsys.readouterr().err
    assert "another run is writing there now" in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*/*.csv"))
