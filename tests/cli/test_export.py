"""``motes export`` and the outputs of ``motes track``: files of other programs."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from motes import Tracks
from motes.cli import run

DEMO = Path(__file__).parents[2] / "src/motes/assets/demo.mp4"


@pytest.fixture(scope="module")
def bike(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bike")
    x, y = np.meshgrid([100, 300, 500], [100, 200, 300])
    xy = np.stack([x, y], -1).reshape(9, 1, 2).repeat(3, 1)
    names = ["nose", *[""] * 7, "tail"]
    Tracks(xy, np.ones((9, 3)), size=(640, 480), fps=25, names=names).save(folder / "bike.npz")
    mask = np.zeros((480, 640), np.uint8)
    mask[:, 200:] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    return folder


def export(folder, arguments):
    words = [str(folder / w) if re.search(r"\.\w+$", w) else w for w in arguments.split()]
    return run(["export", *words])


@pytest.mark.parametrize(
    ("arguments", "output", "text"),
    [
        ("bike.npz -o a.nk --first-frame 1001", "a.nk", "x1001 100.5 x1002"),
        ("bike.npz -o b.jsx -o b.3de.txt", "b.3de.txt", "9\nnose\n0\n3\n1 100.5"),
        ("bike.npz -o c.3de.txt --ids 8,2", "c.3de.txt", "2\ntail\n"),
        ("bike.npz -o d.3de.txt --names nose", "d.3de.txt", "1\nnose\n"),
        ("bike.npz -o e.3de.txt --mask mask.png --at 1", "e.3de.txt", "6\npoint_1\n"),
        ("bike.npz -o f.cornerpin.nk --pin 0,2,8,6", "f.cornerpin.nk", "to1 {{curve x1 100.5"),
        ("bike.npz -o g.cornerpin.nk --mask mask.png", "g.cornerpin.nk", "to1 {{curve x1 300.5"),
        ("bike.npz -o h.ae.txt --ids 8", "h.ae.txt", "\t0\t500.5\t300.5\t0\t\n"),
    ],
)
def test_what_is_written(bike, arguments, output, text):
    assert export(bike, arguments) == 0
    assert text in (bike / output).read_text()


def test_there_and_back(bike):
    assert export(bike, "bike.npz -o t.nk") == 0
    assert export(bike, "t.nk --size 640x480 --fps 25 -o t.npz") == 0
    assert (Tracks.load(bike / "t.npz").xy == Tracks.load(bike / "bike.npz").xy).all()
    assert export(bike, "t.nk --size 640x480 --fps 25 --source-first-frame 0 -o t.csv") == 0
    assert Tracks.load(bike / "t.csv").start == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("bike.npz -o x.h5", "with one of the suffixes .2dt .3de.txt .ae.txt"),
        ("bike.npz -o x.cornerpin.nk", ".cornerpin.nk files take 4 points, got 9"),
        ("bike.npz -o x.ae.txt", ".ae.txt files take 1 points, got 9; give one id"),
        ("bike.npz -o x.nk --pin 1,2,3,4", ".nk files are no corner pins"),
        ("bike.npz -o x.cornerpin.nk --pin a,b", "--pin: expected ids such as"),
        ("bike.npz -o x.blender.py --first-frame 9", ".blender.py files have fixed frame numbers"),
        ("bike.npz -o x.nk --hidden no", "take keep or drop, got 'no'"),
        ("bike.npz -o x.nk --at 3", "--at: expected it together with --mask"),
        ("t2.3de.txt -o x.npz", "does not say the size of the video"),
        ("t2.3de.txt -o x.npz --size 640", "--size: expected WIDTHxHEIGHT"),
        ("t2.3de.txt -o x.npz --size 640x480 --fps 0", "--fps: expected a rate"),
        ("t2.3de.txt -o x.npz --size 640x480", "does not say the frame rate"),
        ("bike.npz -o x.csv --size 9x9", "expected the size 9x9 as given, the file says 640x480"),
        ("bike.jsx -o x.csv", "can be written, but not read back"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(bike, capsys, arguments, message):
    assert export(bike, "bike.npz -o t2.3de.txt -o bike.jsx") == 0
    capsys.readouterr()
    assert export(bike, arguments) != 0
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(bike.glob("x.*"))


def test_tracking_writes_files_of_other_programs(tmp_path):
    queries = tmp_path / "q.csv"
    queries.write_text("t,x,y,name\n0,50,60,nose\n0,120,80,\n")
    outputs = [tmp_path / name for name in ("a.nk", "a.dlc.csv", "a.npz")]
    options = [word for path in outputs for word in ("-o", str(path))]
    command = ["track", str(DEMO), "--model", "lk", "--queries", str(queries), "--end", "3"]
    assert run([*command, *options, "--first-frame", "1001"]) != 0  # .npz has fixed numbers
    assert not list(tmp_path.glob("a.*"))
    assert run([*command, *options]) == 0
    assert Tracks.load(outputs[2]).names == ("nose", "")
    assert "bodyparts,nose,nose,nose,point_1" in outputs[1].read_text()
    assert run(["render", str(DEMO), str(outputs[0]), "-o", str(tmp_path / "a.mp4")]) == 0
    assert run([*command, "-o", str(tmp_path / "b.nk"), "--first-frame", "1001"]) == 0
    assert "curve x1001 50.5" in (tmp_path / "b.nk").read_text()
    assert run([*command, "-o", str(tmp_path / "c.cornerpin.nk")]) != 0
    assert not (tmp_path / "c.cornerpin.nk").exists()
