import cv2
import numpy as np
import pytest

from motes.cli import run
from motes.edit.attachment import find_target
from motes.edit.compositing import BLENDS, over, premultiplied, sample, shading, smeared
from motes.edit.content import open_content, still, text
from motes.edit.surface import Surface
from motes.errors import InputError
from motes.synthetic.shots import follow
from motes.tracks import Tracks
from motes.video import open_video, open_writer

RED = np.full((20, 30, 4), (255, 0, 0, 255), np.uint8)


@pytest.fixture
def folder(turning, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_writer("card.mp4", (240, 180), 30) as writer:
        for frame in turning[1]:
            writer.write(frame)
    cv2.imwrite("red.png", RED[..., [2, 1, 0, 3]])
    mask = np.zeros((180, 240), np.uint8)
    mask[80:110, 100:140] = 255
    cv2.imwrite("mask.png", mask)
    cv2.imwrite("empty.png", 0 * mask)
    return tmp_path


def centre_of_red(frame):
    x = frame.astype(float)
    red = np.clip(x[..., 0] - np.maximum(x[..., 1], x[..., 2]) - 120, 0, None)
    return np.array([(red * axis).sum() / red.sum() for axis in np.mgrid[:180, :240][::-1]])


@pytest.mark.parametrize(
    "to", ["120,95", "108,95;132,95", "105,85;135,85;135,105;105,105", "mask.png"]
)
def test_a_marker_moves_with_the_surface(folder, turning, to):
    scene, frames = turning
    assert run(f"attach card.mp4 red.png --to {to} --at 3 -o out/ --model lk".split()) == 0
    middle = {"120,95": (120, 95), "mask.png": (119.5, 94.5)}.get(to, (120, 95))
    truth = follow(scene, np.array([middle]), 3, len(frames))[0][0]
    written = list(open_video("out"))
    assert len(written) == len(frames)
    found = np.stack([centre_of_red(frame) for frame in written])
    assert np.linalg.norm(found - truth, axis=1).max() < 1.5


def test_text_and_clips(folder):
    options = "--to 120,95 --width 60 --blend screen --opacity 0.9 --shutter 0.5 --model lk"
    command = ["attach", "card.mp4", "--text", "motes", *options.split(), "-o", "a.mp4"]
    assert run([*command, "--shading"]) == 0
    assert run(["attach", "card.mp4", "a.mp4", *options.split(), "-o", "b.mp4"]) == 0
    assert open_video("b.mp4").num_frames == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("red.png --to 500,95", "expected a point inside the 240x180 image"),
        ("red.png --to 120", "expected 'x,y'"),
        ("red.png --to 3,120,95 --at 2", "expected a frame from 2 to 2, got 3"),
        ("red.png --to empty.png", "empty mask"),
        ("red.png --to none.png", "none.png"),
        ("none.png --to 120,95", "none.png"),
        ("none.mp4 --to 120,95", "none.mp4"),
        ("--to 120,95", "expected a file to attach or --text, got neither"),
        ("red.png --text hi --to 120,95", "got both"),
        ("red.png --to 120,95 --at 99", "frame"),
        ("red.png --to 120,95 --opacity 2", "opacity"),
        ("red.png --to 120,95 --shutter 2", "shutter"),
        ("red.png --to 120,95 --width 0", "width"),
        ("red.png --to 120,95 --blend multiplied", "did you mean 'multiply'"),
        ("red.png --to 120,95 --motion bend", "kind of motion"),
        ("red.png --to 120,95 --motion homography", "at least 4"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, message, capsys):
    before = sorted(folder.iterdir())
    assert run(f"attach card.mp4 {arguments} -o out.mp4 --model lk".split()) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.fixture
def video():
    return open_video(np.zeros((2, 100, 200, 3), np.uint8))


@pytest.mark.parametrize(
    ("points", "width", "box"),
    [
        ([(50, 40)], 20, [[40, 35], [60, 35], [60, 45], [40, 45]]),
        ([(50, 40)], None, [[30, 30], [70, 30], [70, 50], [30, 50]]),
        ([(40, 40), (80, 40)], None, [[40, 30], [80, 30], [80, 50], [40, 50]]),
        ([(40, 20), (40, 60)], None, [[50, 20], [50, 60], [30, 60], [30, 20]]),
        ([(10, 10), (50, 12), (8, 30)], None, [[10, 10], [50, 12], [48, 32], [8, 30]]),
        ([(1, 1), (9, 1), (9, 5), (1, 5)], None, [[1, 1], [9, 1], [9, 5], [1, 5]]),
        ([(10, 10), (50, 10), (50, 90), (10, 90), (30, 20)], 40.0, [[10, 40], [50, 40], [50, 60], [10, 60]]),
    ],
)  # fmt: skip
def test_the_box_of_the_content(video, points, width, box):
    found = find_target(points, video, 0, (80, 40), width)
    np.testing.assert_allclose(found.box, box, atol=1e-9)


@pytest.mark.parametrize(
    ("blend", "expected"), [("normal", 51), ("multiply", 20), ("screen", 133), ("add", 153)]
)
def test_blends(blend, expected):
    frame, layer = np.full((4, 4, 3), 102, np.uint8), np.full((2, 2, 4), (0.2, 0.2, 0.2, 1.0))
    result = over(frame, (slice(1, 3), slice(0, 2)), layer.astype(np.float32), blend)
    assert result[1, 1].tolist() == [expected] * 3
    assert result[0, 0].tolist() == result[1, 2].tolist() == [102] * 3
    assert set(BLENDS) == {"normal", "multiply", "screen", "add"}


def test_alpha_is_premultiplied():
    layer = premultiplied(np.array([[[255, 0, 0, 0], [0, 255, 0, 255]]], np.uint8))
    middle = sample(layer, np.array([[[0.5, 0.0]]]))[0, 0]
    np.testing.assert_allclose(middle, [0, 0.5, 0, 0.5], atol=1e-6)  # no red of transparent pixels


def test_motion_blur_smears_along_the_motion():
    xy = np.array([60.0, 50]) + 8 * np.arange(3)[:, None] * [1, 0]
    tracks = Tracks(xy[None], np.ones((1, 3), bool), size=(160, 100))
    surface = Surface(tracks, 0, "translation")
    window = (slice(0, 100), slice(0, 160))

    def square(positions):
        return (
            (np.abs(positions - (60, 50)).max(-1, keepdims=True) < 4.2)
            .astype(np.float32)
            .repeat(4, -1)
        )

    sharp, soft = (smeared(surface, 1, window, s, square)[50, :, 0] for s in (0, 1.0))
    assert sharp.sum() == pytest.approx(soft.sum(), rel=0.15)
    assert (soft > 0.05).sum() >= (sharp > 0.05).sum() + 6
    np.testing.assert_allclose((soft * np.arange(160)).sum() / soft.sum(), 68, atol=0.3)


def test_shading_is_the_ratio_of_brightness():
    reference = np.full((60, 60, 3), 100, np.float32)
    frame = np.full((60, 60, 3), 50, np.uint8)
    weight = np.ones((60, 60), np.float32)
    np.testing.assert_allclose(shading(frame, reference, weight), 0.5, atol=0.01)
    np.testing.assert_allclose(shading(frame, reference, 0 * weight), 1)


def test_content():
    assert open_content(RED).size == (30, 20)
    line = text("motes", "#ff8800")
    picture = line.frame(0)
    assert picture[..., 3].max() == 255
    assert picture[0, 0].tolist() == [255, 136, 0, 0]
    assert text("motes motes").size[0] > line.size[0]
    for bad in (lambda: text(" "), lambda: text("a", "red"), lambda: still(RED[..., 0])):
        with pytest.raises(InputError):
            bad()
