import re
from pathlib import Path

import numpy as np
import pytest
import torch

from motes import data
from motes.coordinates import inside, pixels_to_raster, raster_to_pixels
from motes.errors import FileError, InputError

REAL = Path(__file__).resolve().parents[2] / "../shared/clips/real"


def read_all(collection):
    return list(collection.each(lambda clip: clip))


def test_raster_and_pixels_there_and_back():
    size = (640, 360)
    edges = np.array([[0, 0], [1, 1]])
    assert raster_to_pixels(edges, size).tolist() == [[-0.5, -0.5], [639.5, 359.5]]
    xy = np.random.default_rng(0).uniform(-50, 700, (100, 2)).astype(np.float32)
    np.testing.assert_allclose(raster_to_pixels(pixels_to_raster(xy, size), size), xy, atol=1e-4)


def test_inside_reaches_to_the_edges_of_the_outer_pixels():
    xy = np.array([[-0.5, 0], [-0.6, 0], [3.5, 2.5], [3.6, 2], [2, np.nan]])
    assert inside(xy, (4, 3)).tolist() == [True, False, True, False, False]


def test_a_video_file_beside_an_npz(tmp_path, make, write_clip, same):
    made = make(T=12, size=(64, 48))
    write_clip(tmp_path, "one", made)
    (clip,) = read_all(data.load("clips", tmp_path))
    assert clip.name == "one"
    assert clip.annotated.all()
    assert clip.tracks.fps == 12
    assert same(clip, made, lossless=False)


def test_a_folder_of_images_beside_an_npz(tmp_path, make, write_clip, write_images, same):
    made = make()
    write_clip(tmp_path, "one", made).with_suffix(".mp4").unlink()
    write_images(tmp_path / "one", made)
    (clip,) = read_all(data.load("clips", tmp_path / "one.npz"))
    assert same(clip, made)


def test_a_sample_takes_the_frames_asked_for(tmp_path, make, write_clip):
    made = make(T=9)
    annotated = np.ones_like(made.visible)
    annotated[1, 6] = False
    write_clip(tmp_path, "one", made, annotated=annotated)
    (clip,) = read_all(data.load("clips", tmp_path))
    sample = clip.sample(range(2, 9, 2))
    np.testing.assert_allclose(sample.xy.numpy(), made.xy[:, 2:9:2].swapaxes(0, 1), atol=1e-4)
    assert torch.equal(sample.video[1], clip.sample().video[4])
    assert sample.valid.numpy().T.tolist() == annotated[:, 2:9:2].tolist()
    assert not sample.visible[2, 1]


def test_positions_that_are_not_numbers_count_as_unknown(tmp_path, make, write_clip):
    made = make()
    made.xy[2, 3] = np.nan
    write_clip(tmp_path, "one", made)
    (clip,) = read_all(data.load("clips", tmp_path))
    assert not clip.annotated[2, 3]
    assert clip.annotated.sum() == clip.annotated.size - 1
    assert np.isfinite(clip.tracks.xy).all()


def break_length(folder, made, write_clip):
    write_clip(folder, "bad", made, points=made.raster[:, :-1], occluded=~made.visible[:, :-1])


def break_video(folder, made, write_clip):
    write_clip(folder, "bad", made).with_suffix(".mp4").write_bytes(b"nothing like a video")


def remove_video(folder, made, write_clip):
    write_clip(folder, "bad", made).with_suffix(".mp4").unlink()


def break_tracks(folder, made, write_clip):
    write_clip(folder, "bad", made).write_bytes(b"PK nothing like a zip")


def remove_array(folder, made, write_clip):
    write_clip(folder, "bad", made, occluded=None)


def break_shape(folder, made, write_clip):
    write_clip(folder, "bad", made, occluded=~made.visible[:-1])


def break_annotated(folder, made, write_clip):
    write_clip(folder, "bad", made, annotated=made.visible[:, :-1])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (break_length, "5"),
        (break_video, "bad.mp4"),
        (remove_video, "expected bad.mp4 or a folder bad"),
        (break_tracks, "bad.npz"),
        (remove_array, r"missing \['occluded'\]"),
        (break_shape, "expected positions"),
        (break_annotated, "expected positions"),
    ],
)
def test_an_unusable_clip_is_skipped_counted_and_reported(tmp_path, make, write_clip, spoil, words):
    write_clip(tmp_path, "a", make())
    spoil(tmp_path, make(), write_clip)
    write_clip(tmp_path, "z", make())
    collection = data.load("clips", tmp_path)
    names = list(collection.each(lambda clip: (clip.sample(), clip.name)[1]))
    assert names == ["a", "z"]
    assert list(collection.skipped) == ["bad"]
    assert re.search(words, collection.skipped["bad"])


def test_drawing_skips_what_is_unusable(tmp_path, make, write_clip):
    write_clip(tmp_path, "a", make())
    break_video(tmp_path, make(), write_clip)
    collection, rng = data.load("clips", tmp_path), np.random.default_rng(0)
    assert {collection.draw(rng, lambda clip: clip.name) for _ in range(20)} == {"a"}
    assert list(collection.skipped) == ["bad"]


def test_nothing_usable_is_an_error(tmp_path, make, write_clip):
    break_video(tmp_path, make(), write_clip)
    with pytest.raises(FileError, match="none of 1 clips could be used; bad: "):
        read_all(data.load("clips", tmp_path))
    with pytest.raises(FileError, match="none of 1 clips"):
        data.load("clips", tmp_path).draw(np.random.default_rng(0), lambda clip: clip.sample())


@pytest.mark.parametrize("name", [d.name for d in data.datasets()])
def test_a_folder_with_nothing_in_it_is_an_error(tmp_path, name):
    with pytest.raises(FileError, match=r"expected .*, found none"):
        data.load(name, tmp_path)
    with pytest.raises(FileError, match="no such file"):
        data.load(name, tmp_path / "absent")


def test_names_and_limits_are_checked(tmp_path):
    with pytest.raises(InputError, match="did you mean 'clips'"):
        data.load("clip", tmp_path)
    with pytest.raises(InputError, match="at least 1 clip"):
        data.load("clips", tmp_path, limit=0)


def test_real_clips_are_read():
    if not REAL.is_dir():
        pytest.skip("the real clips (../shared/clips/real) are not here")
    collection = data.load("clips", REAL, limit=2)
    cows, dog = read_all(collection)
    assert (cows.name, cows.tracks.xy.shape, cows.tracks.size) == (
        "badja_cows",
        (19, 104, 2),
        (854, 480),
    )
    assert 0 < dog.annotated.mean() < 1
    assert not (dog.tracks.visible & ~dog.annotated).any()
