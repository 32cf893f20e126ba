"""Outputs never destroy inputs."""

import os

import cv2
import numpy as np
import pytest

import motes
from motes.cli import run
from motes.common.files import check_overwrites
from motes.errors import InputError

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
