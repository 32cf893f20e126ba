"""Output names follow the videos; no two of them are the same."""

import os

import pytest

from motes.cli._names import LONGEST, file_name, free_path, video_names


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    home = tmp_path / "home"
    for name in ("a/b", "a/c", "v1.2", "shots"):
        (home / name).mkdir(parents=True)
    for name in ("bike.mp4", "12:30:05.mp4", "a/bike.mp4", "a/b/bike.mp4", "7", "50%.mp4"):
        (home / name).touch()
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("bike.mp4", "bike"),
        ("./a/../bike.mp4", "bike"),
        ("12:30:05.mp4", "12:30:05"),
        ("50%.mp4", "50%"),
        (".", "home"),
        ("a/..", "home"),
        ("/", "video"),
        ("shots/", "shots"),
        ("v1.2", "v1.2"),
        ("shots/*.png", "shots"),
        ("*.png", "home"),
        ("shots/[ab]*/frame_*.png", "frame"),
        ("**/*.mp4", "home"),
        ("shots/x.%04d.png", "x"),
        ("shots/%04d.png", "shots"),
        ("shots/take.####.exr", "take"),
        ("-", "stdin"),
        ("/dev/stdin", "stdin"),
        ("/dev/fd/63", "stdin"),
        ("7", "7"),
        ("0", "camera0"),
        ("rtsp://cam.local/", "cam.local"),
        ("http://x.org/a%20b.mp4?t=1&u=[2]#z", "a b"),
        ("http://x.org/a%2F%3Cb.mp4", "%3Cb"),
        ("http://[::1/x.mp4", "video"),
        ("file:///a%20b.mp4", "a b"),
    ],
)
def test_name_of_a_video(video, name):
    assert video_names([video]) == [name]


@pytest.mark.parametrize(
    ("videos", "names"),
    [
        (["a/bike.mp4", "a/b/bike.mp4"], ["a_bike", "b_bike"]),
        (["bike.mp4", "a/bike.mp4", "a/c"], ["home_bike", "a_bike", "c"]),
        (["bike.mp4", "bike.mp4", "BIKE.mov"], ["home_bike", "home_bike_2", "BIKE"]),
        (["x/y/bike.mp4", "z/y/bike.mp4"], ["y_bike", "y_bike_2"]),
        (["A.mp4", "a.mp4"], ["A", "a_2"]),
    ],
)
def test_names_of_several_videos_differ(videos, names):
    assert video_names(videos) == names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bike 1", "bike 1"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("..", "%2E."),
        ("лыжник", "лыжник"),
        ("a\0\n", "a%00%0A"),
    ],
)
def test_file_names_are_safe(text, name):
    assert file_name(text) == name


def test_long_names_stay_short_and_apart():
    names = {file_name("ж" * 200), file_name("ж" * 201), *video_names(["x" * 250, "x" * 249])}
    assert len(names) == 4
    assert max(len(os.fsencode(name)) for name in names) <= LONGEST + 9


def test_a_free_path(folder):
    assert free_path("new.npz") == "new.npz"
    for name in ("new.npz", "new_2.npz"):
        (folder / name).touch()
    assert free_path("new.npz") == "new_3.npz"
