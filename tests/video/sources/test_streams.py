"""Iterators and cameras, whose frames pass once."""

import numpy as np
import pytest

from motes.errors import FileError, InputError
from motes.video import open_video


def test_iterators_are_read_lazily(numbered):
    taken = []

    def frames():
        for number in range(9):
            taken.append(number)
            yield numbered(number)

    video = open_video(frames())
    assert video.size == (64, 48)
    assert taken == [0]
    stream = iter(video)
    next(stream), next(stream)
    assert taken == [0, 1]
    assert video.num_frames is None


def test_one_pass_keeps_only_the_newest_frame_in_memory(numbered, number_of):
    video = open_video(numbered(n) for n in range(9))
    assert [number_of(frame) for frame in video] == list(range(9))
    assert video.num_frames == 9
    assert len(video._source._held) == 1


def test_a_second_pass_is_an_error_with_a_hint(numbered):
    video = open_video(numbered(n) for n in range(3))
    list(video)
    with pytest.raises(InputError, match=r"frame 0 has passed already.*give a file or an array"):
        list(video)


def test_after_random_access_frames_are_kept(numbered, number_of):
    video = open_video(numbered(n) for n in range(9))
    assert [number_of(frame) for frame in video.read(4, 6)] == [4, 5]
    assert [number_of(frame) for frame in video.read(0, 3)] == [0, 1, 2]
    assert [number_of(frame) for frame in video] == list(range(9))
    assert [number_of(frame) for frame in video] == list(range(9))


def test_reading_the_first_frame_is_no_random_access(numbered, number_of):
    video = open_video(numbered(n) for n in range(9))
    assert number_of(video.read(0, 1)[0]) == 0
    assert [number_of(frame) for frame in video] == list(range(9))
    assert len(video._source._held) == 1


def test_the_last_pass_releases_the_frames(numbered, number_of):
    video = open_video(numbered(n) for n in range(9))
    video.read(4, 5)
    video.forget()
    assert [number_of(frame) for frame in video] == list(range(9))
    assert len(video._source._held) == 1


def test_start_and_end(numbered, number_of):
    video = open_video((numbered(n) for n in range(9)), start=3, end=6)
    assert [number_of(frame) for frame in video] == [3, 4, 5]


@pytest.mark.parametrize(
    "frames, message",
    [
        ([], "iterator: expected at least one frame, got none"),
        ([np.zeros((4, 6, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], "frame 1: .* got 5x4"),
        ([np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6, 7), np.uint8)], "frame 1: expected shape"),
    ],
)
def test_bad_input(frames, message):
    with pytest.raises(InputError, match=message):
        list(open_video(iter(frames)))


@pytest.mark.parametrize("camera", [97, "97"])
def test_no_such_camera(camera, capfd):
    with pytest.raises(FileError, match="camera 97: expected a camera that can be opened"):
        open_video(camera)
    assert capfd.readouterr().err == ""
