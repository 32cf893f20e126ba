import cv2
import numpy as np
import pytest

from motes.cli import run
from motes.edit.painting import Change, nearest_changes, paint
from motes.synthetic.shots import film, moving_card
from motes.tracks import Tracks
from motes.video import open_video, open_writer
from shot_truth import carried, ellipse, overlap, painted


@pytest.mark.parametrize("occluder", [False, True])
def test_a_change_follows_its_surface(tmp_path, tracker, occluder):
    scene = moving_card("turn", (240, 180), occluder=occluder)
    frames, mask = film(scene, 12, samples=1), ellipse()
    edited = painted(frames[0], mask)
    paint(frames, [(edited, 0)], f"{tmp_path / 'out'}/", relight=False, tracker=tracker)
    written = np.stack(list(open_video(tmp_path / "out"))).astype(int)
    changed = np.abs(written - (255, 0, 255)).max(-1) < 80
    truth = [carried(scene, mask, 0, t) for t in range(len(frames))]
    assert overlap(changed[:1], truth[:1]) > 0.97
    assert overlap(changed, truth) > 0.95


def test_a_change_gets_the_light_of_its_surface(tmp_path, tracker):
    frames = np.stack([film(moving_card("slide", (160, 120)), 1, 1)[0]] * 4)
    darker = [(frames[0] * gain).astype(np.uint8) for gain in (1, 0.9, 0.8, 0.7)]
    mask = ellipse((160, 120), (80, 60), (20, 15))
    edited = painted(darker[0], mask, (200, 180, 60))
    paint(np.stack(darker), [(edited, 0)], f"{tmp_path / 'out'}/", tracker=tracker)
    colors = [frame[60, 80].astype(float) for frame in open_video(tmp_path / "out")]
    np.testing.assert_allclose(colors[3] / colors[0], 0.7, atol=0.05)


def change(at):
    tracks = Tracks(np.zeros((1, 9, 2)), np.ones((1, 9), bool), size=(8, 8))
    return Change(at, None, None, None, tracks)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, [(1.0, 2)]),
        (2, [(1.0, 2)]),
        (3, [(0.75, 2), (0.25, 6)]),
        (6, [(0.0, 2), (1.0, 6)]),
        (8, [(1.0, 6)]),
    ],
)
def test_the_nearest_changes(number, expected):
    found = nearest_changes([change(2), change(6)], number)
    assert [(share, c.at) for share, c in found] == expected


@pytest.fixture
def folder(turning, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_writer("card.mp4", (240, 180), 30) as writer:
        for frame in turning[1]:
            writer.write(frame)
    return tmp_path


def save(name, rgb):
    cv2.imwrite(name, rgb[..., ::-1])


def test_the_commands(folder, capsys):
    assert run(["frame", "card.mp4", "--at", "2", "-o", "a.png"]) == 0
    assert run(["frame", "card.mp4", "--at", "9", "-o", "b.png"]) == 0
    for name in ("a.png", "b.png"):
        save(name, painted(cv2.imread(name)[..., ::-1], ellipse()))
    options = "--edit a.png --at 2 --edit b.png --at 9 --model lk -o out.mp4"
    assert run(f"paint card.mp4 {options}".split()) == 0
    frames = list(open_video("out.mp4"))
    assert len(frames) == 12
    assert all(np.abs(frame[92, 120].astype(int) - (255, 0, 255)).max() < 60 for frame in frames)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("paint card.mp4 --edit small.png", "expected the size of the video, 240x180, got 120x90"),
        ("paint card.mp4 --edit same.png", "found no difference"),
        ("paint card.mp4 --edit none.png", "none.png"),
        ("paint card.mp4 --edit red.png --at 99", "expected a frame of card.mp4, got 99"),
        ("paint card.mp4 --edit red.png --at -1", "got -1"),
        ("paint card.mp4 --edit red.png --edit red.png --at 3", "one --at for each --edit"),
        ("paint none.mp4 --edit red.png", "none.mp4"),
        ("frame card.mp4 --at 99", "got 99"),
        ("frame none.mp4", "none.mp4"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, message, capsys):
    first = next(iter(open_video("card.mp4")))
    save("same.png", first)
    save("small.png", first[::2, ::2])
    save("red.png", painted(first, ellipse()))
    before = sorted(folder.iterdir())
    assert (
        run(
            f"{arguments} -o out.png".replace(
                "-o out.png",
                "-o out.png" if "frame" in arguments.split()[0] else "-o out.mp4 --model lk",
            ).split()
        )
        == 1
    )
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert sorted(folder.iterdir()) == before
