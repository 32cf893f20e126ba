"""Outputs by suffix; complete or absent."""

import numpy as np
import pytest

from motes.errors import FileError, InputError
from motes.video import check_output, open_video, open_writer, writer_suffixes

FPS = 25


NAMES = [
    "a.mp4",
    "a.gif",
    "A.MP4",
    "a.mov",
    "a.mkv",
    "a.webm",
    "12:30.mp4",
    "folder",
    "folder/",
    "v1.2/",
]


@pytest.mark.parametrize("name", NAMES)
def test_written_frames_can_be_read(name, tmp_path, numbered, number_of):
    with open_writer(f"{tmp_path}/{name}", (64, 48), FPS) as writer:
        for number in range(12):
            writer.write(numbered(number))
    video = open_video(f"{tmp_path}/{name}")
    assert (video.size, video.fps, writer.count) == ((64, 48), 25, 12)
    assert [number_of(frame) for frame in video] == list(range(12))
    assert [path.name for path in tmp_path.iterdir()] == [name.rstrip("/")]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "folder"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_nothing_behind(name, error, tmp_path, numbered):
    with pytest.raises(error), open_writer(tmp_path / name, (64, 48), FPS) as writer:
        writer.write(numbered(0))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_error_keeps_the_old_file(tmp_path, numbered):
    path = tmp_path / "a.mp4"
    path.write_text("precious")
    with pytest.raises(RuntimeError), open_writer(path, (64, 48), FPS) as writer:
        writer.write(numbered(0))
        raise RuntimeError
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "folder"])
def test_no_frames(name, tmp_path):
    with (
        pytest.raises(InputError, match=f"{name}: expected at least one frame, got none"),
        open_writer(tmp_path / name, (64, 48), FPS),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "frame, got",
    [
        (np.zeros((48, 63, 3), np.uint8), r"uint8 \[48, 63, 3\]"),
        (np.zeros((48, 64), np.uint8), r"uint8 \[48, 64\]"),
        (np.zeros((48, 64, 3), np.float32), r"float32 \[48, 64, 3\]"),
    ],
)
def test_frames_that_do_not_fit(frame, got, tmp_path):
    message = rf"a.mp4: expected a uint8 frame \[48, 64, 3\], got {got}"
    with (
        pytest.raises(InputError, match=message),
        open_writer(tmp_path / "a.mp4", (64, 48), FPS) as writer,
    ):
        writer.write(frame)


def occupied(folder):
    (folder / "frames").mkdir()
    (folder / "frames" / "old.png").touch()


@pytest.mark.parametrize(
    "name, prepare, error, message",
    [
        ("a.foo", None, InputError, "expected .gif, .mp4, .mov, .mkv, a folder, .webm, got .foo"),
        ("no/a.mp4", None, FileError, "expected an existing folder, .*no is none"),
        ("frames", occupied, FileError, "expected a new or an empty folder, found one with"),
        ("file", lambda f: (f / "file").touch(), FileError, "expected a folder, found a file"),
    ],
)
def test_bad_outputs_are_found_before_any_work(name, prepare, error, message, tmp_path):
    if prepare:
        prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=message):
        check_output(tmp_path / name)
    with pytest.raises(error, match=message):
        open_writer(tmp_path / name, (64, 48), FPS)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("size, fps", [((0, 48), 25), ((64, 48), 0), ((64, 48), -1)])
def test_impossible_sizes_and_rates(size, fps, tmp_path):
    with pytest.raises(InputError, match="expected a positive size and frame rate"):
        open_writer(tmp_path / "a.mp4", size, fps)


def test_an_empty_folder_is_filled(tmp_path, numbered):
    (tmp_path / "frames").mkdir()
    with open_writer(tmp_path / "frames", (64, 48), FPS) as writer:
        writer.write(numbered(0))
    assert [path.name for path in (tmp_path / "frames").iterdir()] == ["00000.png"]


def test_errors_of_the_system_name_the_output(tmp_path, numbered, monkeypatch):
    def full(self, frame):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("motes.video.sinks.images.ImageSink.write", full)
    with (
        pytest.raises(FileError, match="frames: cannot be written: No space left on device"),
        open_writer(tmp_path / "frames", (64, 48), FPS) as writer,
    ):
        writer.write(numbered(0))
    assert list(tmp_path.iterdir()) == []


def test_suffixes():
    assert sorted(writer_suffixes()) == ["", ".gif", ".mkv", ".mov", ".mp4", ".webm"]
