"""Folders, globs and single images."""

import cv2
import numpy as np
import pytest

from motes.errors import FileError, InputError
from motes.video import open_video


def save(path, rgb):
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    image = cv2.cvtColor(rgb, order[rgb.shape[2]]) if rgb.ndim == 3 else rgb
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


@pytest.fixture
def shot(tmp_path, numbered):
    """``shot/frame_0.png`` ... ``frame_11.png``, and files that are none of our business."""
    folder = tmp_path / "shot"
    folder.mkdir()
    for number in range(12):
        save(folder / f"frame_{number}.png", numbered(number))
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.png").write_text("not an image")
    return folder


@pytest.mark.parametrize("pattern", ["shot", "shot/", "shot/*.png", "shot/frame_*", "s*t/*.png"])
def test_images_come_in_natural_order(pattern, shot, number_of):
    video = open_video(f"{shot.parent}/{pattern}")
    assert (video.size, video.num_frames, video.fps) == ((64, 48), 12, 25)
    assert [number_of(frame) for frame in video] == list(range(12))
    assert [number_of(frame) for frame in video.read(9, 12)] == [9, 10, 11]


def test_relative_globs(shot, monkeypatch):
    monkeypatch.chdir(shot)
    assert open_video("../shot/*.png").num_frames == open_video("frame*.png").num_frames == 12


def test_a_folder_named_like_a_camera(shot, monkeypatch):
    shot.rename(shot.parent / "0")
    monkeypatch.chdir(shot.parent)
    assert open_video("0").num_frames == 12


GREY = np.array([[0, 100, 255]], np.uint8)
COLOUR = np.array([[[255, 0, 0], [0, 255, 0], [10, 20, 30]]], np.uint8)


@pytest.mark.parametrize(
    "name, image, expected",
    [
        ("a.png", COLOUR, COLOUR),
        ("a.tif", COLOUR, COLOUR),
        ("a.bmp", COLOUR, COLOUR),
        ("ä ß.PNG", COLOUR, COLOUR),
        ("a.png", GREY, GREY[..., None].repeat(3, 2)),
        ("a.png", GREY.astype(np.uint16) * 257, GREY[..., None].repeat(3, 2)),
        ("a.png", np.dstack([COLOUR, GREY]), [[[0, 0, 0], [0, 100, 0], [10, 20, 30]]]),
    ],
)
def test_pixels(name, image, expected, tmp_path):
    save(tmp_path / name, image)
    assert np.array_equal(open_video(tmp_path / name).read(0, 1)[0], expected)


def test_photographs_come_upright(tmp_path):
    """EXIF orientation 6: the camera was held upright, the stored rows are columns."""
    upright = np.zeros((48, 32, 3), np.uint8)
    upright[:24] = 255
    path = tmp_path / "a.jpg"
    save(path, np.ascontiguousarray(np.rot90(upright)))
    tag = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    exif = b"Exif\0\0MM\x00\x2a\x00\x00\x00\x08\x00\x01" + tag + b"\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path.write_bytes(b"\xff\xd8" + segment + path.read_bytes()[2:])
    frame = open_video(path).read(0, 1)[0]
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).mean() < 3


def test_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FileError, match=r"expected images \(.bmp, .*\), found 1 other files"):
        open_video(tmp_path)


def test_glob_without_matches(tmp_path):
    with pytest.raises(FileError, match=r"nothing\*.png: expected images .* found 0 other files"):
        open_video(tmp_path / "nothing*.png")


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_broken_image(content, shot):
    (shot / "frame_3.png").write_bytes(content)
    with pytest.raises(FileError, match=r"frame_3.png: expected an 8-bit or 16-bit image"):
        list(open_video(shot))


def test_images_of_two_sizes(shot, numbered):
    save(shot / "frame_5.png", numbered(5, (32, 48)))
    with pytest.raises(InputError, match="frame 5: expected 64x48, got 32x48"):
        list(open_video(shot))
