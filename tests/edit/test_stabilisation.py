import cv2
import numpy as np
import pytest

from motes.cli import run
from motes.edit import stabilise
from motes.edit.borders import crop_zoom, warp
from motes.edit.camera import CameraPath, smooth_path, track_camera
from motes.edit.fits import apply_motion, frame_corners
from motes.errors import InputError
from motes.synthetic.shots import follow
from motes.video import open_video, open_writer


def background(scene, frames, at=0):
    """True positions [N, T, 2] of background points that stay inside the frame."""
    H, W = scene.size
    grid = np.mgrid[20 : W - 20 : 9j, 20 : H - 20 : 7j].reshape(2, -1).T
    xy, _, surface = follow(scene, grid, at, frames)
    return xy[surface == 0]


def test_the_background_of_locked_frames_registers(shaky, tracker, tmp_path):
    scene, frames = shaky
    found = stabilise(frames, tmp_path / "out.mp4", tracker=tracker, lock=3, borders="black")
    xy = background(scene, len(frames), at=3)
    steady = apply_motion(found.corrections, xy.swapaxes(0, 1))
    error = np.linalg.norm(steady - xy[:, 3], axis=-1)
    assert np.sqrt((error**2).mean()) < 0.3
    assert len(list(open_video(tmp_path / "out.mp4"))) == len(frames)


def test_the_steps_of_the_camera_are_measured(shaky, tracker):
    scene, frames = shaky
    path = track_camera(tracker, open_video(frames))
    xy = background(scene, len(frames)).swapaxes(0, 1)
    error = np.linalg.norm(apply_motion(path.steps, xy[:-1]) - xy[1:], axis=-1)
    assert path.known.all()
    assert np.sqrt((error**2).mean()) < 0.3


def steps_of(shift):
    steps = np.tile(np.eye(3), (len(shift) - 1, 1, 1))
    steps[:, :2, 2] = np.diff(shift, axis=0)
    return CameraPath(steps, np.ones(len(steps), bool), 0, (320, 240))


def test_smoothing_keeps_a_pan_and_removes_a_shake():
    t = np.arange(60)
    pan = np.stack([3.0 * t, -1.0 * t], -1)
    assert np.abs(smooth_path(steps_of(pan), 8) - np.eye(3)).max() < 1e-3
    shake = np.stack([4.0 * (-1.0) ** t, 0 * t], -1)
    corrections = smooth_path(steps_of(pan + shake), 8)
    np.testing.assert_allclose(corrections[20:-20, 0, 2], -shake[20:-20, 0], atol=0.01)


@pytest.mark.parametrize("frames", [2, 3])
def test_the_shortest_videos_can_be_smoothed(frames):
    corrections = smooth_path(steps_of(np.zeros((frames, 2))), 8)
    np.testing.assert_allclose(corrections, np.tile(np.eye(3), (frames, 1, 1)), atol=1e-6)


def test_a_crop_shows_no_border():
    shifts = np.tile(np.eye(3), (5, 1, 1))
    shifts[:, 0, 2] = [-16, -4, 0, 4, 10]
    zoom = crop_zoom(shifts, (320, 240))
    assert zoom[0, 0] == pytest.approx(320 / (320 - 32), abs=1e-3)
    seen = apply_motion(np.linalg.inv(zoom @ shifts), frame_corners((320, 240)))
    assert (seen >= -0.51).all()
    assert (seen <= (319.51, 239.51)).all()
    white = np.full((240, 320, 3), 255, np.uint8)
    assert all(warp(white, zoom @ m)[1:-1, 1:-1].min() > 250 for m in shifts)


def test_a_crop_that_leaves_little_is_an_error():
    far = np.tile(np.eye(3), (2, 1, 1))
    far[1, 0, 2] = 200
    with pytest.raises(InputError, match="fill the borders"):
        crop_zoom(far, (320, 240))


@pytest.fixture
def folder(shaky, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_writer("shaky.mp4", (240, 180), 30) as writer:
        for frame in shaky[1]:
            writer.write(frame)
    with open_writer("one.mp4", (240, 180), 30) as writer:
        writer.write(shaky[1][0])
    with open_writer("flat.mp4", (64, 48), 30) as writer:
        for _ in range(4):
            writer.write(np.full((48, 64, 3), 128, np.uint8))
    mask = np.zeros((180, 240), np.uint8)
    mask[80:140, 60:120] = 255
    cv2.imwrite("mask.png", mask)
    cv2.imwrite("small.png", mask[:90])
    return tmp_path


@pytest.mark.parametrize(
    "options", ["", "--lock 2 --borders fill", "--follow mask.png --borders black"]
)
def test_the_command(folder, options, capsys):
    assert run(f"stabilise shaky.mp4 -o out.mp4 --report path.png {options}".split()) == 0
    told = capsys.readouterr().out
    before, after = (float(v) for v in told.split("jitter ")[1].split(" pixels")[0].split(" -> "))
    assert after < before / 2
    written = open_video("out.mp4")
    assert (written.size, written.num_frames, written.fps) == ((240, 180), 16, 30)
    assert min(frame.std() for frame in written) > 10
    assert cv2.imread("path.png").shape[1] > 900


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("one.mp4 -o out.mp4", "at least two frames, got one"),
        ("one.mp4 -o out.mp4 --lock 0", "at least two frames, got 1"),
        ("flat.mp4 -o out.mp4", "expected background to track"),
        ("flat.mp4 -o out.mp4 --lock 0", "corners"),
        ("shaky.mp4 -o out.mp4 --lock 99", "got 99"),
        ("shaky.mp4 -o out.mp4 --follow small.png", "expected the size of the video"),
        ("shaky.mp4 -o out.mp4 --motion projective", "kind of motion"),
        ("shaky.mp4 -o out.mp4 --borders crp", "did you mean 'crop'"),
        ("shaky.mp4 -o out.mp4 --smoothness 0", "smoothness: expected a positive"),
        ("shaky.mp4 -o out.mp4 --report path.txt", ".png or .jpg"),
        ("shaky.mp4 -o shaky.mp4", "expected an output that is not an input"),
        ("shaky.mp4 -o none/out.mp4", "none"),
        ("none.mp4 -o out.mp4", "none.mp4"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, arguments, message, capsys):
    before = sorted(folder.iterdir())
    assert run(f"stabilise {arguments}".split()) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert sorted(folder.iterdir()) == before
