"""Outputs never replace inputs, are never partial, and are checked before any work."""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest

import motes
from motes.cli import run
from motes.common.files import check_overwrites, check_writable, locked, replacing
from motes.common.temporary import _process_space, is_temporary, temporary_folder
from motes.errors import FileError, InputError

PICTURES = np.random.default_rng(0).integers(0, 255, (6, 48, 64, 3), np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A video, its tracks, queries, a mask, and links to them."""
    monkeypatch.chdir(tmp_path)
    with motes.open_writer("bike.mp4", (64, 48), 25) as writer:
        for picture in PICTURES:
            writer.write(picture)
    motes.load("lk").track("bike.mp4", grid=2).save("bike.npz")
    (tmp_path / "points.csv").write_text("t,x,y\n0,10,10\n")
    cv2.imwrite("mask.png", np.full((48, 64), 255, np.uint8))
    (tmp_path / "frames").mkdir()
    cv2.imwrite("frames/0.png", PICTURES[0])
    (tmp_path / "soft.mp4").symlink_to("bike.mp4")
    os.link("bike.mp4", "hard.mp4")
    return tmp_path


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "arguments",
    [
        "track bike.mp4 -o bike.mp4",
        "track bike.mp4 -o ./frames/../bike.mp4",
        "track bike.mp4 -o soft.mp4",
        "track bike.mp4 -o hard.mp4",
        "track soft.mp4 -o bike.mp4",
        "track bike.mp4 -o a.csv -o bike.mp4",
        "track file://{folder}/bike.mp4 -o bike.mp4",
        "track bike.mp4 --queries points.csv -o points.csv",
        "track bike.mp4 -o a.csv -o ./a.csv",
        "render bike.mp4 bike.npz -o bike.mp4",
        "render soft.mp4 bike.npz -o bike.mp4",
        "render bike.mp4 bike.npz -o a.mp4 -o hard.mp4",
        "export bike.npz -o a.csv -o bike.npz",
        "plot bike.npz --video frames/0.png -o frames/0.png",
        "plot bike.npz --video frames -o frames/0.png",
    ],
)
def test_an_output_that_is_an_input_is_refused(folder, capsys, arguments):
    before = content(folder)
    assert run(arguments.format(folder=folder).split()) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "expected an output that is not an input" in err or "the same file twice" in err
    assert content(folder) == before


@pytest.mark.parametrize("video", ["bike.mp4", "soft.mp4", "hard.mp4"])
def test_render_in_python_keeps_the_video(folder, video):
    before = content(folder)
    tracks = motes.Tracks.load("bike.npz")
    with pytest.raises(InputError, match="not an input"):
        motes.render(video, tracks, "bike.mp4")
    with pytest.raises(InputError, match="not an input"):
        motes.render(motes.open_video(video), tracks, "bike.mp4")
    assert content(folder) == before


def test_other_files_are_written(folder):
    check_overwrites(["a.mp4", "frames.mp4"], ["bike.mp4", "frames/0.png"])
    arguments = "track bike.mp4 --grid 2 --model lk -o bike.csv -o tracked.mp4"
    assert run(arguments.split()) == 0
    assert motes.open_video("tracked.mp4").num_frames == 6


def names(folder):
    return sorted(p.name for p in folder.iterdir())


LONG = "n" * 250 + ".csv"  # 254 of 255 bytes; any longer temporary name is refused by the system


@pytest.mark.parametrize("name", ["a.csv", "12:30:05.csv", LONG, "ж" * 125 + ".csv", ".hidden"])
def test_temporary_names_fit(tmp_path, name):
    with replacing(tmp_path / name) as temporary:
        assert is_temporary(temporary.name)
        assert temporary.suffix == (tmp_path / name).suffix
        temporary.write_text("x")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ["bike.mp4", ".bike.mp4", ".bike-motes-notes.mp4", ".a-motes-1-2"])
def test_names_of_users_are_not_temporary(name):
    assert not is_temporary(name)


def test_files_of_killed_runs_are_removed(tmp_path):
    """Files of running processes, and recent ones of other machines, are kept."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for process, space, age in [
        (ended.pid, _process_space(), 0),
        (os.getppid(), _process_space(), 30),
        (ended.pid, "abcdef", 0),
        (ended.pid, "abcdef", 30),
    ]:
        path = tmp_path / f".a-motes-{space}-{process}-{age:08d}.csv"
        path.mkdir() if process == ended.pid else path.touch()
        os.utime(path, (time.time() - age * 24 * 3600,) * 2)
    (tmp_path / ".mine.csv").touch()
    with replacing(tmp_path / "b.csv") as temporary:
        temporary.touch()
    kept = [f".a-motes-{_process_space()}-{os.getppid()}-00000030.csv"]
    kept += [f".a-motes-abcdef-{ended.pid}-00000000.csv", ".mine.csv", "b.csv"]
    assert names(tmp_path) == sorted(kept)


KILLED = """
import os, sys
from motes.common.files import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_the_run_after_a_kill_cleans_up(tmp_path):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a.csv"])
        assert len(names(tmp_path)) == 1
    with replacing(tmp_path / "b.csv") as temporary:
        temporary.touch()
    assert names(tmp_path) == ["b.csv"]


def write_folder(target):
    with replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "0.png").write_text("new")
        yield


@pytest.mark.parametrize("existing", [None, "empty", "link"])
def test_a_folder_keeps_the_files_of_others(tmp_path, existing):
    target = tmp_path / "stills"
    if existing == "empty":
        target.mkdir()
    if existing == "link":
        (tmp_path / "other").mkdir()
        target.symlink_to("other")
    work = write_folder(target)
    next(work)
    target.mkdir(exist_ok=True)
    (target / "notes.txt").write_text("precious")
    next(work, None)
    assert names(target) == ["0.png", "notes.txt"]
    assert (target / "notes.txt").read_text() == "precious"


def test_files_of_one_name_in_a_folder_are_both_kept(tmp_path):
    target = tmp_path / "stills"
    work = write_folder(target)
    next(work)
    target.mkdir()
    (target / "0.png").write_text("precious")
    with pytest.raises(FileError, match=r"the new ones are in .*stills-2"):
        next(work)
    assert (target / "0.png").read_text() == "precious"
    assert (tmp_path / "stills-2" / "0.png").read_text() == "new"
    assert names(tmp_path) == ["stills", "stills-2"]


def test_an_error_is_not_hidden_by_cleaning_up(tmp_path, monkeypatch):
    def fail(path):
        raise PermissionError(13, "not allowed", str(path))

    monkeypatch.setattr("motes.common.files.remove", fail)
    with pytest.raises(InputError, match="the real one"), replacing(tmp_path / "a.csv"):
        raise InputError("the real one")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.csv", {}, None),
        ("no/a.csv", {}, "expected an existing folder, .*no is none"),
        ("file/a.csv", {}, "expected an existing folder, .*file is none"),
        ("n" * 252 + ".csv", {}, "File name too long"),
        ("n" * 300 + "/a.csv", {}, "File name too long"),
        ("folder", {}, "expected a file, found a folder"),
        ("file", {"folder": True}, "expected a folder, found a file"),
        ("a.csv", {"size": 10**18}, "expected 1000000000000 MB of free space, found"),
        ("/proc/a.csv", {}, "cannot write /proc/a.csv: "),
        ("a\0.csv", {}, "null"),
    ],
)
def test_outputs_are_checked(tmp_path, name, options, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = names(tmp_path)
    if message is None:
        check_writable(tmp_path / name, **options)
    else:
        with pytest.raises(FileError, match=message):
            check_writable(tmp_path / name, **options)
    assert names(tmp_path) == before


LIMITED = """
import os, sys
from motes.common.files import check_writable
os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    check_writable(sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give up its rights")
@pytest.mark.parametrize(
    ("mode", "name", "message"),
    [
        (0o555, "b.csv", "Permission denied"),
        (0o000, "b.csv", "Permission denied"),
        (0o777, "a.csv", "expected a file that may be written, got a protected one"),
    ],
)
def test_folders_and_files_without_permission(mode, name, message):
    with TemporaryDirectory() as text:  # others may not enter the folders of pytest
        (Path(text) / "a.csv").touch(0o444)
        Path(text).chmod(mode)
        command = [sys.executable, "-c", LIMITED, Path(text) / name]
        out = subprocess.run(command, capture_output=True, text=True)
    assert out.stdout.startswith("FileError cannot write")
    assert message in out.stdout


HOLD = """
import sys, time
from pathlib import Path
from motes.common.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_locked_until_its_process_ends(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(FileError, match="another run is writing there now"), locked(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with locked(tmp_path), locked(tmp_path), ThreadPoolExecutor(1) as pool:
        other = pool.submit(locked(tmp_path).__enter__)  # only the same thread may lock again
        assert isinstance(other.exception(), FileError)
    with locked(tmp_path):
        pass


def test_temporary_folders_of_killed_runs_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "from motes.common.temporary import temporary_folder as t; import os; f = t('x'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)})
    assert len(names(tmp_path)) == 1
    with temporary_folder("y") as folder:
        assert names(tmp_path) == [Path(folder).name]
        assert Path(folder).stat().st_mode & 0o077 == 0
