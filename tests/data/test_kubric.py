import numpy as np
import pytest

from motes import data
from motes.data.kubric import visible_points


def write(folder, made, write_images, suffix=".png", marks_visible=False):
    write_images(folder / "frames", made, suffix)
    flags = made.visible if marks_visible else ~made.visible
    np.save(folder / f"{folder.name}.npy", {"coords": made.xy, "visibility": flags})


def read_all(path):
    collection = data.load("kubric", path)
    return list(collection.each(lambda clip: clip)), collection.skipped


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_sequences_are_read(tmp_path, make, write_images, same, suffix):
    made = {name: make(seed=int(name), size=(64, 48)) for name in ("0000", "0001")}
    for name, m in made.items():
        write(tmp_path / name, m, write_images, suffix)
    clips, skipped = read_all(tmp_path)
    assert not skipped
    assert [clip.name for clip in clips] == list(made)
    assert all(same(clip, made[clip.name], suffix == ".png") for clip in clips)
    (alone,), _ = read_all(tmp_path / "0001")
    assert alone.name == "0001"


@pytest.mark.parametrize("marks_visible", [True, False])
def test_points_outside_decide_the_meaning_of_visibility(marks_visible):
    xy = np.array([[[5.0, 5], [50, 5]], [[6, 6], [7, 7]]])  # one is outside of 32 x 32
    visible = np.array([[True, False], [False, True]])
    flags = visible if marks_visible else ~visible
    assert np.array_equal(visible_points(xy, flags, (32, 32)), visible)


def test_with_no_point_outside_visibility_marks_occlusion():
    flags = np.array([[True, False]])
    assert visible_points(np.full((1, 2, 2), 5.0), flags, (32, 32)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "one saved object"),
        ({"coords": np.zeros((2, 5, 2))}, "expected a dict with coords and visibility"),
        ({"coords": np.zeros((2, 5, 2)), "visibility": np.zeros((5, 2))}, "expected positions"),
        (
            {"coords": np.zeros((2, 4, 2)), "visibility": np.zeros((2, 4))},
            "5 frames, but tracks of 4",
        ),
    ],
)
def test_an_unusable_sequence_is_skipped(tmp_path, make, write_images, content, words):
    for name in ("a", "bad"):
        write(tmp_path / name, make(), write_images)
    np.save(tmp_path / "bad" / "bad.npy", np.array(content, object), allow_pickle=True)
    clips, skipped = read_all(tmp_path)
    assert [clip.name for clip in clips] == ["a"]
    assert words in skipped["bad"]


@pytest.mark.parametrize("use", [lambda clip: clip.sample(), lambda clip: list(clip)])
def test_a_damaged_image_in_the_middle_is_found_when_it_is_read(tmp_path, make, write_images, use):
    for name in ("a", "bad"):
        write(tmp_path / name, make(), write_images)
    (tmp_path / "bad" / "frames" / "00002.png").write_bytes(b"nothing like an image")
    collection = data.load("kubric", tmp_path)
    assert len(list(collection.each(use))) == 1
    assert "00002.png" in collection.skipped["bad"]
