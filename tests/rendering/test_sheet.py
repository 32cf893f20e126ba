import cv2
import numpy as np
import pytest

from motes.errors import FileError, InputError
from motes.rendering import plot
from motes.rendering.sheet import _resize_chart, ticks

FOOTAGE = np.full((8, 48, 64, 3), 90, np.uint8)


@pytest.mark.parametrize("video", [FOOTAGE, None])
@pytest.mark.parametrize(
    "options", [{}, {"color": "speed", "background": "dim", "title": "A cube"}]
)
@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg"])
def test_a_sheet(tmp_path, moving, video, options, name):
    plot(video, moving, tmp_path / name, **options)
    sheet = cv2.imread(str(tmp_path / name))
    assert min(sheet.shape[:2]) > 900
    assert (sheet[:40] == 255).all()  # a margin
    assert (np.ptp(sheet, axis=2) > 100).any()  # and colour
    assert [f.name for f in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (500, 2), (3, 2)])
@pytest.mark.parametrize("size", [(64, 48), (20, 200), (301, 20)])
def test_any_tracks_have_a_sheet(tmp_path, build, shape, size):
    plot(None, build(np.ones((*shape, 2)), size=size), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_the_chart_shows_who_is_visible_when(tmp_path, build):
    visible = np.array([[True] * 4 + [False] * 4, [True] * 8])
    xy = np.array([[10, 20], [40, 20.0]])[:, None].repeat(8, 1)
    plot(None, build(xy, visible), tmp_path / "sheet.png", color="#00ff00")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    green = (sheet == (0, 255, 0)).all(-1)[-(64 + 44 + 150) : -(64 + 44), 64:-64]
    upper, lower = np.split(green, 2)
    half = green.shape[1] // 2
    assert upper[5:-5, : half - 2].all()
    assert not upper[:, half + 2 :].any()
    assert lower[5:-5].all()


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (range(1), [0]),
        (range(5, 8), [5, 6, 7]),
        (range(30), [0, 5, 10, 15, 20, 25]),
        (range(95, 300), [100, 150, 200, 250]),
        (range(10_000), [0, 2000, 4000, 6000, 8000]),
    ],
)
def test_ticks_are_round_numbers(frames, expected):
    assert ticks(frames) == expected


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (400, 3), (1000, 1000)])
def test_the_resized_chart_keeps_the_shares(shape):
    bars = np.zeros((*shape, 3), np.uint8)
    bars[: shape[0] // 2] = 200
    stretched = _resize_chart(bars, (150, 900))
    assert stretched.shape == (150, 900, 3)
    assert stretched.mean() == pytest.approx(bars.mean(), abs=1)


@pytest.mark.parametrize(
    ("video", "out", "options", "error", "message"),
    [
        (FOOTAGE, "sheet.tif", {}, InputError, "ends in .png or .jpg"),
        (FOOTAGE, "missing/sheet.png", {}, FileError, "missing"),
        (FOOTAGE[:, :20], "sheet.png", {}, InputError, "expected 64x48"),
        (FOOTAGE[:3], "sheet.png", {}, InputError, "expected a frame"),
        (FOOTAGE, "sheet.png", {"colour": "speed"}, InputError, "unknown option"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_left(
    tmp_path, moving, video, out, options, error, message
):
    with pytest.raises(error, match=message):
        plot(video, moving, tmp_path / out, **options)
    assert list(tmp_path.iterdir()) == []


def test_tracks_without_points(tmp_path, build):
    with pytest.raises(InputError, match="at least one point"):
        plot(None, build(np.zeros((0, 3, 2))), tmp_path / "sheet.png")
