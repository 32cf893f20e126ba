"""Damaged files of data sets: their clips are read or skipped, and all others are read."""

import pickle
import shutil
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import CHANGES, apply, bounded
from motes import data
from motes.data.dataset import Collection, Entry
from motes.errors import FileError

T, N, SIZE = 3, 2, (16, 12)
XY = np.full((N, T, 2), 4.0)
VISIBLE = np.ones((N, T), bool)
FRAMES = np.random.default_rng(0).integers(0, 255, (T, SIZE[1], SIZE[0], 3), np.uint8)


def write_images(folder):
    folder.mkdir(parents=True)
    for t, frame in enumerate(FRAMES):
        cv2.imwrite(str(folder / f"{t}.png"), frame)


def write_clips(root):
    for name in ("bad", "good"):
        write_images(root / name)
        np.savez(root / f"{name}.npz", points=XY / 16, occluded=~VISIBLE)
    return "bad.npz"


def write_pictures(root):
    write_clips(root)
    return "bad/1.png"


def write_tapvid(root):
    clip = {"video": FRAMES, "points": XY / 16, "occluded": ~VISIBLE}
    root.mkdir()
    for name in ("bad", "good"):
        (root / f"{name}.pkl").write_bytes(pickle.dumps({name: clip}))
    return "bad.pkl"


def write_kubric(root):
    for name in ("bad", "good"):
        write_images(root / name / "frames")
        np.save(root / name / f"{name}.npy", {"coords": XY, "visibility": ~VISIBLE})
    return "bad/bad.npy"


def write_pointodyssey(root):
    arrays = {"trajs_2d": XY.swapaxes(0, 1), "visibs": VISIBLE.T, "valids": VISIBLE.T}
    for name in ("bad", "good"):
        write_images(root / name / "rgbs")
        np.savez(root / name / "anno.npz", **arrays)
    return "bad/anno.npz"


WRITERS = {
    "clips": write_clips,
    "clips, an image": write_pictures,
    "tapvid": write_tapvid,
    "kubric": write_kubric,
    "pointodyssey": write_pointodyssey,
}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """By name: the folder, the file to damage, and its content."""
    made = {}
    for name, write in WRITERS.items():
        root = tmp_path_factory.mktemp("layouts") / "root"
        file = root / write(root)
        made[name] = root, file, file.read_bytes()
    return made


def read(name, root):
    collection = data.load(name.split(",")[0], root)
    read = list(collection.each(lambda clip: (clip.sample(), clip.name)[1]))
    return read, collection.skipped


@pytest.mark.parametrize("name", WRITERS)
def test_both_clips_are_read_when_nothing_is_damaged(layouts, name):
    assert read(name, layouts[name][0]) == (["bad", "good"], {})


@bounded(120)
@given(st.sampled_from([*WRITERS]), CHANGES)
def test_changed_bytes_affect_at_most_one_clip(layouts, name, changes):
    root, file, content = layouts[name]
    file.write_bytes(apply(changes, content))
    try:
        found, skipped = read(name, root)
    finally:
        file.write_bytes(content)
    assert "good" in found
    assert len(found) + len(skipped) == 2


VALUES = [
    np.zeros((N, T, 2), complex),
    np.full((N, T, 2), 1e300),
    np.full((N, T, 2), np.nan),
    np.full((N, T), 0.5),
    np.zeros((N, 0, 2)),
    np.zeros((0, T, 2)),
    np.zeros(0),
    np.array(3),
    np.array(["a"]),
    np.array([None]),
    [[1, 2], [3]],
    {},
    None,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20].replace(" ", ""))
def test_values_that_do_not_fit_cost_one_clip(layouts, tmp_path, value):
    for key in ("video", "points", "occluded"):
        clip = {"video": FRAMES, "points": XY / 16, "occluded": ~VISIBLE}
        content = {"bad": clip | {key: value}, "good": clip}
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
        assert "good" in read("tapvid", tmp_path)[0]
    for key in ("coords", "visibility"):
        root = tmp_path / key
        shutil.copytree(layouts["kubric"][0], root)
        np.save(root / "bad/bad.npy", {"coords": XY, "visibility": ~VISIBLE} | {key: value})
        assert "good" in read("kubric", root)[0]
    for key in ("points", "occluded", "annotated"):
        root = tmp_path / f"clips {key}"
        shutil.copytree(layouts["clips"][0], root)
        arrays = {"points": XY / 16, "occluded": ~VISIBLE} | {key: np.array(value, object)}
        if not isinstance(value, list | dict | None):
            arrays[key] = value
        np.savez(root / "bad.npz", **arrays)
        assert "good" in read("clips", root)[0]


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("by 0"), RuntimeError("two\nlines"), MemoryError()]
)
def test_a_clip_is_skipped_with_its_reason_for_any_exception(error):
    def fail():
        raise error

    entries = [Entry("bad", fail), Entry("good", lambda: "a clip")]
    collection = Collection("a folder", entries)
    assert list(collection.each(str)) == ["a clip"]
    assert list(collection.skipped) == ["bad"]
    assert collection.skipped["bad"].startswith(f"{type(error).__name__}: ")
    assert "\n" not in collection.skipped["bad"]
    collection = Collection("a folder", entries)
    assert {collection.draw(np.random.default_rng(i), str) for i in range(5)} == {"a clip"}
    with pytest.raises(
        FileError, match=f"none of 1 clips could be used; bad: {type(error).__name__}"
    ):
        list(Collection("a folder", entries[:1]).each(str))


def test_arrays_that_memory_cannot_hold_are_refused_by_their_header(layouts, tmp_path):
    shutil.copytree(layouts["clips"][0], tmp_path / "clips")
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6, 2)}
    with zipfile.ZipFile(tmp_path / "clips" / "bad.npz", "w") as archive:
        for name in ("points", "occluded"):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array_header_1_0(file, header)
    found, skipped = read("clips", tmp_path / "clips")
    assert found == ["good"]
    assert "needs 32,000.0 GB of memory" in skipped["bad"]


def test_frames_that_memory_cannot_hold_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 10**6})())
    jpeg = cv2.imencode(".jpg", FRAMES[0])[1].tobytes()
    clip = {"video": [jpeg] * 10_000, "points": XY / 16, "occluded": ~VISIBLE}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"bad": clip}))
    with pytest.raises(FileError, match=r"decoding 10000 frames needs 0\.0 GB"):
        read("tapvid", tmp_path)


def test_clips_of_the_same_name_are_told_apart(tmp_path):
    for split in ("train", "test"):
        write_pointodyssey(tmp_path / split)
    names, skipped = read("pointodyssey", tmp_path)
    assert names == ["bad", "good", "bad#2", "good#2"]
    assert not skipped
