"""Pipes, which are read once, and open files."""

import os
import subprocess
import sys
from io import BytesIO
from threading import Thread

import cv2
import pytest

from motes.errors import FileError, InputError
from motes.video import open_video


@pytest.fixture
def movie(make_video):
    return make_video("a.mkv", count=20, bf=2, g=8)


READ_STDIN = """
from motes.video import open_video
video = open_video("-")
print(video.name, video.size, video.fps, len(list(video)))
"""


def test_standard_input(movie):
    with movie.open("rb") as file:
        done = subprocess.run(
            ["/bin/sh", "-c", f'cat | "{sys.executable}" -c \'{READ_STDIN}\''],
            stdin=file, capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert done.stdout == "standard input (64, 48) 30000/1001 20\n"


def test_a_terminal_is_no_video(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(InputError, match="expected a video on standard input, got a terminal"):
        open_video("-")


def test_a_named_pipe_is_read_once(movie, tmp_path, number_of):
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    Thread(target=lambda: fifo.write_bytes(movie.read_bytes()), daemon=True).start()
    video = open_video(fifo)
    assert video.num_frames is None
    assert [number_of(frame) for frame in video] == list(range(20))
    assert video.num_frames == 20


def test_a_pipe_without_a_video(tmp_path):
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    Thread(target=lambda: fifo.write_bytes(b"hello" * 999), daemon=True).start()
    with pytest.raises(FileError, match="pipe: expected a video, got"):
        open_video(fifo)


def test_a_stream_that_changes_its_size(make_video, tmp_path):
    small, large = make_video("s.h264", count=5, size=(32, 32)), make_video("l.h264", count=5)
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    content = large.read_bytes() + small.read_bytes()
    Thread(target=lambda: fifo.write_bytes(content), daemon=True).start()
    video = open_video(fifo)
    assert len(list(video)) == 5
    assert video.problem == f"{fifo}: read 5 frames; the size changes to 32x32"


class Unseekable(BytesIO):
    def seekable(self):
        return False

    def seek(self, *_):
        raise OSError("cannot seek")


@pytest.mark.parametrize(
    "wrap, again",
    [
        (lambda path: path.read_bytes(), True),
        (lambda path: BytesIO(path.read_bytes()), True),
        (lambda path: path.open("rb"), True),
        (lambda path: Unseekable(path.read_bytes()), False),
        (lambda path: cv2.VideoCapture(str(path)), False),
    ],
    ids=["bytes", "BytesIO", "open file", "what cannot seek", "cv2.VideoCapture"],
)
def test_open_files(wrap, again, movie, number_of):
    video = open_video(wrap(movie))
    assert [number_of(frame) for frame in video] == list(range(20))
    assert abs(video.fps - 30000 / 1001) < 1e-3
    if again:
        assert number_of(video[17]) == 17


def test_a_text_file_is_refused():
    import io

    with pytest.raises(InputError, match="open for reading bytes, got text"):
        open_video(io.StringIO("hello"))
