"""Every bad input is one clear line and a non-zero exit; nothing is written."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from motes import open_writer
from motes.cli import run

SIZE = (64, 48)
FRAMES = 6


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A folder with a good video and all kinds of bad files."""
    folder = tmp_path_factory.mktemp("material")
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (60, 80, 3)).astype(np.uint8), (5, 5), 1)
    with open_writer(folder / "good.mp4", SIZE, 25) as writer:
        for t in range(FRAMES):
            writer.write(np.ascontiguousarray(texture[t : t + 48, t : t + 64]))
    (folder / "text.mp4").write_text("this is no video")
    (folder / "empty.mp4").touch()
    (folder / "images").mkdir()
    (folder / "bad.csv").write_text("frame,x,y\n0,1,2\n")
    (folder / "outside.csv").write_text("t,x,y\n0,1,2\n0,64,2\n")
    (folder / "late.csv").write_text("t,x,y\n6,1,2\n")
    (folder / "nan.csv").write_text("t,x,y\n0,nan,2\n")
    cv2.imwrite(str(folder / "other_size.png"), np.full((10, 10), 255, np.uint8))
    cv2.imwrite(str(folder / "black.png"), np.zeros((48, 64), np.uint8))
    speck = np.zeros((48, 64), np.uint8)
    speck[0, 0] = 255
    cv2.imwrite(str(folder / "speck.png"), speck)
    return folder


CASES = {
    "missing file": ("track nothing.mp4", "nothing.mp4"),
    "text named mp4": ("track text.mp4", "text.mp4: expected a video"),
    "empty file": ("track empty.mp4", "empty.mp4"),
    "folder without images": ("track images", "images"),
    "query outside": ("track good.mp4 --points 64,2", "query 0: expected a point inside the 64x48"),
    "query in no frame": ("track good.mp4 --points 6,1,2", "query 0: expected a frame from 0 to 5"),
    "outside in csv": ("track good.mp4 --queries outside.csv", "query 1: expected a point inside"),
    "late in csv": ("track good.mp4 --queries late.csv", "expected a frame from 0 to 5, got 6"),
    "nan": ("track good.mp4 --points nan,3", "expected finite numbers, got (0, nan, 3)"),
    "nan in csv": ("track good.mp4 --queries nan.csv", "expected finite numbers"),
    "wrong columns": ("track good.mp4 --queries bad.csv", "expected the header t,x,y, got frame,x,y"),
    "a frame that no video has": ("track good.mp4 --points 1e30,1,1", "query 0: expected a frame number, got 1e+30"),
    "a position beyond float32": ("track good.mp4 --points 1e300,1", "expected finite numbers"),
    "a grid finer than pixels": ("track good.mp4 --grid 100000", "grid: expected"),
    "a huge grid": ("track good.mp4 --grid 99999999999999999999", "grid: expected"),
    "a wide spacing": ("track good.mp4 --dense 99999999999999999999", "expected a spacing of 1 to 64 pixels"),
    "an end beyond all": ("track good.mp4 --end 99999999999999999999", "end: expected a frame number"),
    "memory beyond all": (f"track good.mp4 --memory {'9' * 400}", "memory: expected a size such as 2G"),
    "a camera below 0": ("track --live -1", "Invalid value for '--live'"),
    "a long output": (f"track good.mp4 -o {'n' * 300}.csv", "File name too long"),
    "a long input": (f"track {'n' * 300}.mp4", "File name too long"),
    "a folder to plot": ("plot . -o a.png", "tracks: expected a file, got '.'"),
    "a plot into nowhere": ("plot no.npz -o no/a.png", "expected an existing folder"),
    "sides without end": (f"generate -o g --size {'9' * 5000}", "size: expected WIDTHxHEIGHT"),
    "no such csv": ("track good.mp4 --queries no.csv", "cannot read queries from no.csv"),
    "points that are none": ("track good.mp4 --points 1;2", "expected 'x,y' or 't,x,y'"),
    "empty grid": ("track good.mp4 --grid 0", "expected a positive number of points"),
    "empty grid in a mask": ("track good.mp4 --grid 5 --mask speck.png", "none of 5x5 lies there"),
    "black mask": ("track good.mp4 --mask black.png", "got an empty mask"),
    "mask of another size": ("track good.mp4 --mask other_size.png", "expected the size of the video, 64x48, got 10x10"),
    "mask that is missing": ("track good.mp4 --mask no.png", "no such mask: no.png"),
    "unknown suffix": ("track good.mp4 -o out.xyz", "out.xyz: expected an output with one of the suffixes"),
    "one bad output of two": ("track good.mp4 -o a.npz -o b.xyz", "b.xyz: expected an output"),
    "missing folder": ("track good.mp4 -o no/out.csv", "no/out.csv"),
    "unknown model": ("track good.mp4 --model kl", "unknown model 'kl'; did you mean 'lk'?"),
    "weights for lk": ("track good.mp4 --model lk --weights text.mp4", "weights: expected none"),
    "unknown dtype": ("track good.mp4 --dtype float8", "unknown dtype 'float8'"),
    "nothing to compile": ("track good.mp4 --model lk --compile", "compile: expected a model that iterates"),
    "unknown device": ("track good.mp4 --device tpu9", "device: expected one that torch can use"),
    "two ways to choose points": ("track good.mp4 --grid 3 --corners 3", "got --grid and --corners"),
    "frames that do not exist": ("track good.mp4 --start 9", "start: expected a frame"),
    "at a frame that does not exist": ("track good.mp4 --at 6", "at: expected a frame from 0 to 5, got 6"),
    "end before start": ("track good.mp4 --start 3 --end 2", "end: expected a frame number after"),
    "no video": ("track", "expected a video or --live, got neither"),
    "no camera": ("track --live 97", "camera 97"),
    "a picture of a camera": ("track --live 97 -o a.mp4", "a.mp4: expected an output"),
    "unknown command": ("trakc good.mp4", "No such command"),
    "unknown option": ("track good.mp4 --gird 4", "No such option"),
    "a word for a number": ("track good.mp4 --grid many", "Invalid value for '--grid'"),
    "tracks that are missing": ("export no.npz -o a.csv", "no such track file: no.npz"),
    "tracks that are none": ("export text.mp4 -o a.csv", "expected a track file"),
    "export to nowhere": ("export no.npz -o a.abc", "a.abc: expected a track file"),
    "render without tracks": ("render good.mp4 no.npz -o a.mp4", "no.npz"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_written(name, material, monkeypatch, capsys):
    arguments, message = CASES[name]
    monkeypatch.chdir(material)
    before = sorted(p.name for p in material.rglob("*"))
    assert run(arguments.split()) != 0
    out, err = capsys.readouterr()
    assert err.startswith("motes: ")
    assert err.count("\n") == 1
    assert message in err
    assert out == ""
    assert sorted(p.name for p in material.rglob("*")) == before


def test_the_real_process_shows_no_traceback(material):
    done = subprocess.run(
        [sys.executable, "-m", "motes", "track", "text.mp4", "-o", "x.csv"],
        cwd=material, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (material / "x.csv").exists()


def test_a_truncated_video_is_tracked_as_far_as_it_goes(material, tmp_path, capsys):
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
    whole = tmp_path / "whole.mp4"
    with open_writer(whole, SIZE, 25) as writer:
        for t in range(60):
            writer.write(np.roll(noise, t, 1))
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(len(data) * 0.7)])
    assert run(["track", str(cut), "--grid", "3", "-o", str(tmp_path / "t.npz")]) == 0
    _, err = capsys.readouterr()
    assert "of 60" in err
    assert (tmp_path / "t.npz").exists()


@pytest.mark.parametrize("command", ["track", "batch"])
@pytest.mark.parametrize("option", ["--model", "--dtype"])
def test_a_wrong_name_is_reported_once_before_any_video(
    command, option, tmp_path, monkeypatch, capsys
):
    """Not once per video, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("no video")
    output = "{name}.csv" if command == "track" else "out"
    assert run([command, "a.mp4", "b.mp4", option, "nope", "-o", output]) == 1
    assert capsys.readouterr().err.startswith(f"motes: unknown {option[2:]} 'nope'")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
