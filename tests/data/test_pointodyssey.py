import numpy as np
import pytest

from motes import data


def write(folder, made, write_images, **changes):
    write_images(folder / "rgbs", made, ".jpg")
    arrays = {
        "trajs_2d": made.xy.swapaxes(0, 1),
        "visibs": made.visible.T,
        "valids": np.ones_like(made.visible.T),
    }
    arrays |= changes
    np.savez(folder / "anno.npz", **{k: v for k, v in arrays.items() if v is not None})


def read_all(path):
    collection = data.load("pointodyssey", path)
    return list(collection.each(lambda clip: clip)), collection.skipped


@pytest.mark.parametrize("at", [".", "train", "train/ani"])
def test_sequences_are_found_at_every_level(tmp_path, make, write_images, same, at):
    made = make(size=(64, 48))
    write(tmp_path / "train" / "ani", made, write_images)
    (clip,), skipped = read_all(tmp_path / at)
    assert not skipped
    assert clip.name == "ani"
    assert same(clip, made, lossless=False)


def test_what_is_not_valid_is_unknown_and_what_is_outside_unseen(tmp_path, make, write_images):
    made = make()
    made.xy[0, 1] = [-3, 5]
    made.xy[1, 2] = np.inf
    valids = np.ones_like(made.visible.T)
    valids[3, 2] = False
    write(tmp_path / "ani", made, write_images, valids=valids)
    (clip,), _ = read_all(tmp_path)
    assert sorted(zip(*np.nonzero(~clip.annotated), strict=True)) == [(1, 2), (2, 3)]
    assert not clip.tracks.visible[0, 1]
    assert not clip.tracks.visible[2, 3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"valids": None}, "missing ['valids']"),
        ({"trajs_2d": np.zeros((4, 4, 2))}, "expected"),
    ],
)
def test_an_unusable_sequence_is_skipped(tmp_path, make, write_images, changes, words):
    write(tmp_path / "a", make(), write_images)
    write(tmp_path / "bad", make(), write_images, **changes)
    clips, skipped = read_all(tmp_path)
    assert [clip.name for clip in clips] == ["a"]
    assert words in skipped["bad"]
