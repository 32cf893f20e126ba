from contextlib import suppress

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image

from fuzzing import CHANGES, apply, bounded
from motes import FileError, InputError, Queries, open_video
from motes.queries.corners import detect_corners
from motes.queries.grid import grid
from motes.queries.mask import read_mask
from motes.queries.points import within
from motes.queries.select import select
from motes.tracking.support import MAX_FRAMES, support_points

SIZE = (64, 48)


def video(start=0):
    return open_video(np.zeros((8, 48, 64, 3), np.uint8), start=start)


def half():
    mask = np.zeros((48, 64), bool)
    mask[:, :32] = True
    return mask


def test_grid_is_even_and_centred():
    points = grid(4, SIZE, at=3)
    assert points.xy[:4].tolist() == [[7.5, 5.5], [23.5, 5.5], [39.5, 5.5], [55.5, 5.5]]
    assert np.allclose(points.xy.mean(0), [31.5, 23.5])  # the centre of the image
    assert set(points.frames) == {3}


def test_a_grid_of_columns_and_rows():
    points = grid((10, 5), SIZE).xy
    assert len(points) == 50
    assert np.allclose(points[1] - points[0], [6.4, 0])
    assert np.allclose(points[10] - points[0], [0, 9.6])


@pytest.mark.parametrize("side", [0, (3, 0), (1, 2, 3), "ab", 2.5, (2000, 1000), None, -1])
def test_invalid_grids(side):
    with pytest.raises(InputError, match="grid: expected"):
        grid(side, SIZE)


@pytest.mark.parametrize("seed", range(3))
def test_refined_corners_stay_in_the_image_and_the_mask(seed):
    """In noise, the sub-pixel refinement moves some corners out of both."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    mask = rng.random((12, 16)).repeat(4, 0).repeat(4, 1) > 0.5
    for inside in (None, mask):
        points = detect_corners(frame, 400, mask=inside)
        points.check(SIZE, range(1))
        assert within(points.xy, np.ones((48, 64), bool) if inside is None else inside).all()


def test_grid_in_a_mask():
    assert (grid(4, SIZE, mask=half()).xy[:, 0] < 32).all()
    lonely = np.zeros((48, 64), bool)
    lonely[0, 0] = True
    with pytest.raises(InputError, match="none of 4x4 lies there"):
        grid(4, SIZE, mask=lonely)


def test_the_corners_of_a_square_are_detected():
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[10:30, 20:50] = 255
    found = detect_corners(frame, 4, at=2).xy
    corners = [(19.5, 9.5), (49.5, 9.5), (19.5, 29.5), (49.5, 29.5)]
    assert all(np.abs(found - corner).max(1).min() < 1 for corner in corners)
    assert (detect_corners(frame, 4, mask=half()).xy[:, 0] < 32).all()
    selected = select(open_video(frame[None]), corners=4)
    assert sorted(selected.xy.tolist()) == sorted(found.tolist())
    with pytest.raises(InputError, match="found none"):
        detect_corners(np.zeros_like(frame), 4)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_mask_files(tmp_path, channels):
    image = np.zeros((48, 64, channels), np.uint8)
    image[5:9, 6:8] = 255
    cv2.imwrite(str(tmp_path / "m.png"), image)
    mask = read_mask(tmp_path / "m.png", SIZE)
    assert mask[5:9, 6:8].all()
    assert mask.sum() == 8


def disc(path, mode, **options):
    """A bright square of 4 x 2 pixels on black, saved in a mode of PIL."""
    grey = np.zeros((48, 64), np.uint8)
    grey[5:9, 6:8] = 255
    opaque = np.full_like(grey, 255)
    stack = {"LA": [grey, opaque], "RGBA": [grey, grey, grey, opaque], "A": [opaque] * 3 + [grey]}
    if mode in stack:
        image = Image.fromarray(np.dstack(stack[mode]))
    else:
        image = Image.fromarray(grey).convert(mode)
    image.save(path, **options)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "A", "I;16"])
def test_every_black_and_white_png_is_the_same_mask(mode, tmp_path):
    """An opaque alpha channel is ignored."""
    disc(tmp_path / "m.png", mode)
    mask = read_mask(tmp_path / "m.png", SIZE)
    assert (mask.sum(), mask[5:9, 6:8].all()) == (8, True)
    assert np.array_equal(read_mask(Image.open(tmp_path / "m.png"), SIZE), mask)


def test_jpeg_masks_do_not_grow(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[16:32, 16:48] = 255
    Image.fromarray(mask).save(tmp_path / "m.jpg", quality=30)
    assert np.array_equal(read_mask(tmp_path / "m.jpg", SIZE), mask > 0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: m,
        lambda m: m.tolist(),
        lambda m: torch.from_numpy(m),
        lambda m: torch.from_numpy(m)[None].float(),
        lambda m: np.where(m, 1.0, np.nan),
        lambda m: m[..., None].astype(np.int64) * 7,
        lambda m: Image.fromarray(m),
    ],
    ids=["array", "lists", "tensor", "tensor [1, H, W]", "NaN", "labels", "PIL"],
)
def test_masks_in_memory(wrap):
    assert np.array_equal(read_mask(wrap(half()), SIZE), half())


@pytest.mark.parametrize("mask", [object(), ["text"], [[1, 2], [3]], np.zeros(5), 1 + 2j])
def test_invalid_masks(mask):
    with pytest.raises(InputError, match="mask: expected"):
        read_mask(mask, SIZE)


def test_a_mask_that_selects_everything_is_warned_of(caplog):
    read_mask(half(), SIZE)
    assert not caplog.records
    read_mask(np.ones((48, 64)), SIZE)
    assert [r.message for r in caplog.records] == ["mask: it selects every pixel"]


@bounded(150)
@given(CHANGES)
def test_a_damaged_mask_is_read_or_refused(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("mask") / "m.png"
    disc(path, "RGBA")
    path.write_bytes(apply(changes, path.read_bytes()))
    with suppress(InputError, FileError):
        assert read_mask(path, SIZE).shape == (48, 64)


def test_masks_of_another_size(tmp_path):
    with pytest.raises(InputError, match="expected the size of the video, 64x48, got 48x64"):
        read_mask(np.ones((64, 48)), SIZE)
    with pytest.raises(InputError, match="empty mask"):
        read_mask(np.zeros((48, 64)), SIZE)
    with pytest.raises(FileError, match="no such mask"):
        read_mask(tmp_path / "no.png", SIZE)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(FileError, match="expected an image"):
        read_mask(tmp_path / "text.png", SIZE)


def test_select_keeps_points_in_the_mask_and_counts_frames_as_the_video_does():
    points = select(video(start=2), [(10, 10), (50, 10)], mask=half())
    assert points.txy.tolist() == [[2, 10, 10]]
    with pytest.raises(InputError, match="inside the mask, got 1 outside"):
        select(video(), [(50, 10)], mask=half())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "got none of them"),
        ({"grid": 3, "corners": 5}, "got grid and corners"),
        ({"grid": 0}, "expected a positive number"),
        ({"grid": 3, "at": 8}, "at: expected a frame from 0 to 7, got 8"),
        ({"queries": [(9, 1, 1)]}, "expected a frame from 0 to 7, got 9"),
        ({"queries": [(0, 99, 1)]}, "inside the 64x48 image"),
    ],
)
def test_select_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        select(video(), **arguments)


@pytest.mark.parametrize(
    ("points", "warns"),
    [([(0.5, 0.25), (1, 0)], True), ([(0, 0), (1, 1)], False), ([(0.5, 20)], False), ([], False)],
)
def test_fractions_of_the_image_are_no_pixels(points, warns, caplog):
    select(video(), points)
    assert ("pixels are expected" in caplog.text) == warns


def test_names_stay_with_their_points():
    named = Queries(np.array([[0, 50, 9], [0, 9, 9], [0, 8, 8]]), ("right", "left", ""))
    assert select(video(), named, mask=half()).names == ("left", "")
    with pytest.raises(InputError, match="expected 1 names, got 2"):
        Queries([[0, 1, 1]], ("a", "b"))


def test_support_points_are_in_the_frames_of_the_queries():
    queries = np.array([[3, 10, 10], [5, 20, 20]], np.float32)
    points = support_points(queries, SIZE, 6, 3, 10.0)
    assert len(points) == 2 * 36 + 2 * 9
    assert set(points[:, 0]) == {3, 5}
    near = points[-9:]
    assert np.allclose(near[:, 1:].mean(0), 20)
    assert np.ptp(near[:, 1]) == 10
    many = np.column_stack([np.arange(30), np.full((30, 2), 9)])
    assert len(support_points(many, SIZE, 2, 0, 0.0)) == 4 * MAX_FRAMES


def test_refined_corners_stay_inside_the_image():
    noise = np.random.default_rng(0).integers(0, 255, (24, 32), np.uint8)
    frame = cv2.resize(noise, (96, 72), interpolation=cv2.INTER_CUBIC)[..., None].repeat(3, 2)
    x, y = detect_corners(frame, 500).xy.T
    assert 0 <= x.min() <= x.max() <= 95
    assert 0 <= y.min() <= y.max() <= 71
