"""`Video`: the same behaviour for every source."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from motes.errors import InputError
from motes.video import open_video


@pytest.fixture(params=["array", "file", "iterator"])
def source(request, make_video, numbered):
    frames = [numbered(number) for number in range(20)]
    if request.param == "file":
        return make_video("a.mp4", count=20, bf=2, g=8)
    return np.stack(frames) if request.param == "array" else iter(frames)


@pytest.mark.parametrize(
    "start, end, expected",
    [(0, None, range(20)), (5, None, range(5, 20)), (0, 7, range(7)), (3, 9, range(3, 9))],
)
def test_start_and_end_keep_the_numbers_of_the_source(start, end, expected, source, number_of):
    video = open_video(source, start=start, end=end)
    assert video.start == start
    assert [number_of(frame) for frame in video] == list(expected)


def test_reading_counts_in_the_source(source, number_of):
    video = open_video(source, start=5, end=15)
    assert [number_of(frame) for frame in video.read(8, 11)] == [8, 9, 10]
    assert [number_of(frame) for frame in video.read(5, 7)] == [5, 6]
    assert [number_of(frame) for frame in video.read(12, 99)] == [12, 13, 14]
    assert video.read(15, 99).shape == (0, 48, 64, 3)


def test_end_after_the_last_frame(source):
    assert len(list(open_video(source, end=99))) == 20


@pytest.mark.parametrize("start, end, expected", [(0, None, 20), (4, 9, 5), (4, 99, 16)])
def test_num_frames(start, end, expected, make_video):
    assert open_video(make_video("a.mp4", count=20), start=start, end=end).num_frames == expected


def test_two_readers_of_one_video_do_not_disturb_each_other(make_video, number_of):
    video = open_video(make_video("a.mp4", count=20))
    first, second = iter(video), iter(video)
    assert [number_of(frame) for frame in islice(first, 3)] == [0, 1, 2]
    assert number_of(next(second)) == 0
    assert number_of(video.read(9, 10)[0]) == 9
    assert number_of(next(first)) == 3


def test_consecutive_chunks_are_decoded_once(make_video, number_of, monkeypatch):
    video = open_video(make_video("a.mp4", count=20))
    opened = []
    frames = video._source.frames
    monkeypatch.setattr(
        video._source, "frames", lambda start: opened.append(start) or frames(start)
    )
    read = [number_of(frame) for start in range(0, 20, 4) for frame in video.read(start, start + 4)]
    assert (read, opened) == (list(range(20)), [0])


def test_a_video_can_be_opened_again_in_part(make_video):
    video = open_video(make_video("a.mp4", count=20), start=2, end=15)
    assert open_video(video).num_frames == 13
    part = open_video(video, start=5, end=30)
    assert (part.start, part.num_frames, part.fps) == (5, 10, Fraction(30000, 1001))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"start": -1}, "start: expected a frame number from 0 on, got -1"),
        ({"start": 5, "end": 5}, r"end: expected a frame number after start \(5\), got 5"),
        ({"end": 0}, r"end: expected a frame number after start \(0\), got 0"),
        ({"start": 20}, r"start: expected a frame in 0..19 of a.mp4, got 20"),
    ],
)
def test_impossible_ranges(options, message, make_video):
    with pytest.raises(InputError, match=message):
        open_video(make_video("a.mp4", count=20), **options)


@pytest.mark.parametrize("start, stop", [(3, 8), (9, 8), (-5, 2)])
def test_impossible_chunks(start, stop, make_video):
    video = open_video(make_video("a.mp4", count=20), start=5)
    with pytest.raises(InputError, match=f"expected 5 <= start <= stop, got {start} and {stop}"):
        video.read(start, stop)


@pytest.mark.parametrize("source", [None, 3.5, object()])
def test_unknown_kinds_of_sources(source):
    with pytest.raises(InputError, match=r"video: expected a path.*got"):
        open_video(source)


def test_repr(make_video):
    video = open_video(make_video("a.mp4", count=3))
    assert repr(video) == "Video('a.mp4', 64x48, 30000/1001 fps, from frame 0)"
