import os
import pickle

import numpy as np
import pytest

from motes.data.unpickle import read_npy, read_pickle
from motes.errors import FileError

PLAIN = {
    "video": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3),
    "points": np.asfortranarray(np.random.default_rng(0).random((3, 4), np.float32)),
    "big-endian": np.arange(6, dtype=">i4"),
    "flags": np.array([True, False]),
    "text": np.array(["ab", "c"]),
    "objects": np.array([b"12", b"3"], object),
    "empty": np.zeros((0, 2)),
    "scalar": np.float32(3.5),
    "bytes": b"\xff\xd8",
    "list": [1, (2.5, None), {3}, "four"],
}


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


class Array(np.ndarray):
    pass


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_containers_come_back(tmp_path, protocol):
    file = tmp_path / "plain.pkl"
    file.write_bytes(pickle.dumps(PLAIN, protocol))
    back = read_pickle(file)
    assert back.keys() == PLAIN.keys()
    assert back.pop("list") == PLAIN["list"]
    for name, value in back.items():
        assert np.array_equal(value, PLAIN[name]), name
        assert np.asarray(value).dtype.kind == np.asarray(PLAIN[name]).dtype.kind


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Evil(), r"asks for (posix|nt)\.system"),
        ({"clip": [eval]}, r"asks for builtins\.eval"),
        (np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")]), "numbers or text"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_anything_else_is_refused_by_name(tmp_path, content, words, protocol):
    file = tmp_path / "evil.pkl"
    file.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(FileError, match=words):
        read_pickle(file)


def test_no_array_is_made_of_foreign_memory(tmp_path):
    """`numpy.ndarray` called with a buffer and dtype object would make pointers of its bytes."""
    call = b"cnumpy\nndarray\n((I1\ntVO\n\x8e\x08\x00\x00\x00\x00\x00\x00\x00AAAAAAAAtR."
    file = tmp_path / "evil.pkl"
    file.write_bytes(call)
    with pytest.raises(FileError, match="not callable"):
        read_pickle(file)


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(PLAIN)[:200]])
def test_damaged_pickles_are_named(tmp_path, content):
    file = tmp_path / "damaged.pkl"
    file.write_bytes(content)
    with pytest.raises(FileError, match=r"damaged\.pkl"):
        read_pickle(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"absent\.pkl"):
        read_pickle(tmp_path / "absent.pkl")


def test_a_dict_saved_by_numpy_comes_back(tmp_path):
    file = tmp_path / "dict.npy"
    np.save(file, {"coords": np.ones((2, 3, 2)), "name": "x"})
    back = read_npy(file)
    assert back["name"] == "x"
    assert np.array_equal(back["coords"], np.ones((2, 3, 2)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.array({"a": Evil()}), "asks for"),
        (np.zeros(3), "one saved object"),
    ],
)
def test_other_npy_files_are_refused(tmp_path, content, words):
    file = tmp_path / "other.npy"
    np.save(file, content, allow_pickle=True)
    with pytest.raises(FileError, match=words):
        read_npy(file)


def test_damaged_npy_files_are_named(tmp_path):
    file = tmp_path / "damaged.npy"
    file.write_bytes(b"nonsense")
    with pytest.raises(FileError, match=r"damaged\.npy"):
        read_npy(file)
