"""An edit of a long video: its tracks are kept until the output is written."""

import cv2
import numpy as np
import pytest

from motes.cli import run
from motes.edit import painting
from motes.tracking import recording
from motes.video import open_video, open_writer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A clip of 12 frames that counts as long, and an edited frame of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recording, "LONG", 10)
    noise = np.random.default_rng(0).integers(0, 255, (9, 12), np.uint8)
    wide = cv2.resize(np.kron(noise, np.ones((8, 8), np.uint8)), (96, 72))
    with open_writer("clip.mp4", (64, 48), 25) as writer:
        for t in range(12):
            writer.write(np.dstack([wide[t : t + 48, t : t + 64]] * 3))
    frame = next(iter(open_video("clip.mp4"))).copy()
    frame[15:35, 20:40] = (255, 0, 255)
    cv2.imwrite("edit.png", frame[..., ::-1])
    return tmp_path


PAINT = ["paint", "clip.mp4", "--edit", "edit.png", "--model", "lk", "-o", "out.mp4"]


def test_nothing_is_left_after_success(folder):
    assert run(PAINT) == 0
    assert {p.name for p in folder.iterdir()} == {"clip.mp4", "edit.png", "out.mp4"}


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_tracks_are_kept_when_writing_fails(folder, monkeypatch, capsys, failure):
    def fail(*arguments):
        raise failure

    monkeypatch.setattr(painting, "write_video", fail)
    assert run(PAINT) != 0
    assert "what was tracked is kept in out.mp4.part" in capsys.readouterr().err
    parts = {p: p.stat().st_mtime_ns for p in folder.glob("out.mp4.part/*/*/*.npz")}
    assert parts
    assert not (folder / "out.mp4").exists()
    monkeypatch.undo()
    monkeypatch.setattr(recording, "LONG", 10)
    monkeypatch.chdir(folder)
    tracked = []
    monkeypatch.setattr("motes.tracking.recording._track", lambda *a: tracked.append(a))
    assert run(PAINT) == 0
    assert not tracked
    assert {p.name for p in folder.iterdir()} == {"clip.mp4", "edit.png", "out.mp4"}


@pytest.mark.parametrize(
    "command",
    [
        "stabilise clip.mp4 --borders fill --model lk -o out.mp4",
        "stabilise clip.mp4 --lock 3 --borders black --model lk -o out.mp4",
        "blur clip.mp4 --mask edit.png --at 6 --model lk -o out.mp4",
        "attach clip.mp4 edit.png --to 20,15;40,15;40,35 --at 11 --model lk -o out.mp4",
    ],
)
def test_every_command(folder, command):
    assert run(command.split()) == 0
    assert {p.name for p in folder.iterdir()} == {"clip.mp4", "edit.png", "out.mp4"}


def test_bad_input_leaves_nothing(folder, capsys):
    assert (
        run(
            [
                "paint",
                "clip.mp4",
                "--edit",
                "edit.png",
                "--at",
                "99",
                "--model",
                "lk",
                "-o",
                "out.mp4",
            ]
        )
        == 1
    )
    assert capsys.readouterr().err.count("\n") == 1
    assert {p.name for p in folder.iterdir()} == {"clip.mp4", "edit.png"}
