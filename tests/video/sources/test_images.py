"""Folders, globs and single images."""

from contextlib import suppress

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from motes.errors import FileError, InputError
from motes.video import open_video


def save(path, rgb):
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    image = cv2.cvtColor(rgb, order[rgb.shape[2]]) if rgb.ndim == 3 else rgb
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


@pytest.fixture
def shot(tmp_path, numbered):
    """``shot/frame_0.png`` ... ``frame_11.png``, and files of other kinds."""
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


def test_a_list_of_paths(shot, number_of):
    paths = [str(shot / f"frame_{n}.png") for n in (7, 2, 11)]
    assert [number_of(frame) for frame in open_video(paths)] == [7, 2, 11]
    with pytest.raises(FileError, match=r"no\.png: expected an image, found no such file"):
        open_video(["no.png"])


@pytest.mark.parametrize("pattern", ["n.%04d.png", "n.####.png", "n.%d.png"])
def test_numbered_sequences(pattern, tmp_path, numbered, number_of):
    for number in (8, 9, 10, 11):
        save(tmp_path / f"n.{number:04d}.png", numbered(number))
    save(tmp_path / "n.x.png", numbered(0))
    video = open_video(tmp_path / pattern)
    assert [number_of(frame) for frame in video] == [8, 9, 10, 11]
    with pytest.raises(FileError, match="found 0 other files"):
        open_video(tmp_path / "m.%04d.png")


def test_one_range_for_all_images(tmp_path, caplog):
    """12 bits in 16, and dark: images are not scaled separately."""
    for number, top in enumerate((4000, 1000, 2000)):
        save(tmp_path / f"{number}.png", np.linspace(0, top, 64, dtype=np.uint16).reshape(8, 8))
    tops = [int(frame.max()) for frame in open_video(tmp_path)]
    assert tops == [255, 64, 128]
    assert [r.message for r in caplog.records] == [
        f"{tmp_path}: uint16 values from 0 to 4000 are scaled to 8 bits"
    ]


def stack(path, frames):
    cv2.imwritemulti(str(path), [cv2.cvtColor(f, cv2.COLOR_RGB2BGR) for f in frames])


def animation(path, frames):
    content = cv2.Animation()
    content.frames = [cv2.cvtColor(f, cv2.COLOR_RGB2BGR) for f in frames]
    content.durations = np.arange(1, 1 + len(frames), dtype=np.int32) * 100
    cv2.imwriteanimation(str(path), content, [cv2.IMWRITE_WEBP_QUALITY, 101])


@pytest.mark.parametrize(
    "name, write", [("a.tif", stack), ("a.webp", animation), ("a.png", animation)]
)
def test_stacks_and_animations_are_videos(name, write, tmp_path, numbered, number_of):
    write(tmp_path / name, [numbered(n) for n in range(20)])
    video = open_video(tmp_path / name)
    assert (video.num_frames, video.size) == (20, (64, 48))
    assert [number_of(frame) for frame in video] == list(range(20))
    assert [number_of(frame) for frame in video.read(7, 18)] == list(range(7, 18))
    if write is animation:
        assert np.allclose(video.times, np.cumsum(np.arange(20)) / 10)
        assert float(video.fps) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_planar_channels(dtype, tmp_path):
    """OpenCV would fill two of three channels with random memory."""
    tifffile = pytest.importorskip("tifffile")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    pictures[0, 0, 0], pictures[0, 0, 1] = 0, 255
    deep = {
        np.uint8: pictures,
        np.uint16: pictures.astype(np.uint16) * 257,
        np.float64: pictures / 255,
    }
    planes = np.moveaxis(deep[dtype], -1, 1)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(np.stack(list(open_video(tmp_path / "a.tif"))), pictures)


@pytest.mark.parametrize("codec, pixels", [("exr", "gbrpf32le"), ("dpx", "rgb48be")])
def test_film(codec, pixels, tmp_path):
    """EXR stores linear light, DPX display values."""
    linear = np.full((6, 8, 3), 0.5, np.float32)
    for number in range(3):
        with av.open(
            f"{tmp_path}/s.{number:04d}.{codec}", "w", format="image2", options={"update": "1"}
        ) as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 8, 6, pixels
            frame = av.VideoFrame.from_ndarray((linear * 255).astype(np.uint8), format="rgb24")
            out.mux(stream.encode(frame.reformat(format=pixels)))
            out.mux(stream.encode(None))
    video = open_video(f"{tmp_path}/s.####.{codec}")
    assert (video.num_frames, video.size) == (3, (8, 6))
    assert np.abs(video[2].astype(int) - (187 if codec == "exr" else 127)).max() <= 1


def test_heic(tmp_path, numbered, number_of):
    heif = pytest.importorskip("pillow_heif")
    heif.from_bytes("RGB", (64, 48), numbered(77).tobytes()).save(tmp_path / "a.heic", quality=90)
    assert number_of(open_video(tmp_path / "a.heic")[0]) == 77


def test_warnings_of_opencv_do_not_reach_the_user(tmp_path, capfd):
    save(tmp_path / "a.tif", COLOUR)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = int.from_bytes(data[4:8], "little") + 2
    data[at + 12 * 3 : at + 12 * 3 + 2] = b"\xff\xf0"  # an unknown tag
    (tmp_path / "a.tif").write_bytes(data)
    with suppress(FileError):
        open_video(tmp_path / "a.tif")
    assert capfd.readouterr().err == ""


def test_other_greys_and_palettes(tmp_path):
    picture = Image.fromarray(COLOUR)
    picture.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    Image.fromarray(np.dstack([GREY, GREY]), "LA").save(tmp_path / "la.png")
    Image.fromarray(GREY > 99).save(tmp_path / "1.png")
    assert np.array_equal(open_video(tmp_path / "p.png")[0], COLOUR)
    assert open_video(tmp_path / "la.png")[0][0, :, 0].tolist() == [0, 39, 255]
    assert open_video(tmp_path / "1.png")[0][0, :, 0].tolist() == [0, 255, 255]


def test_photographs_come_upright(tmp_path):
    """EXIF orientation 6: the stored rows are the columns of the picture."""
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
    with pytest.raises(FileError, match=r"frame_3.png: expected an image"):
        list(open_video(shot))


def test_images_of_two_sizes(shot, numbered):
    save(shot / "frame_5.png", numbered(5, (32, 48)))
    with pytest.raises(InputError, match=r"frame_5\.png: frame 5: expected 64x48, got 32x48"):
        list(open_video(shot))
