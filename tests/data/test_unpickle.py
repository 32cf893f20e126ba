import io
import os
import pickle
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import bounded
from motes.data.unpickle import read_npy, read_pickle
from motes.errors import FileError

PLAIN = {
    "video": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3),
    "points": np.asfortranarray(np.random.default_rng(0).random((3, 4), np.float32)),
    "big-endian": np.arange(6, dtype=">i4"),
    "flags": np.array([True, False]),
    "text": np.array(["ab", "c"]),
    "objects": np.array([b"12", b"3"], object),
    "table": np.array([["a", 1], [None, 2.5]], object),
    "empty": np.zeros((0, 2)),
    "scalar": np.float32(3.5),
    "bytes": b"\xff\xd8",
    "list": [1, (2.5, None), {3}, "four", bytearray(b"\x80"), b"", {}, -(2**70), frozenset("x")],
}


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


def write(folder, content, name="x.pkl"):
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_containers_come_back(tmp_path, protocol):
    back = read_pickle(write(tmp_path, pickle.dumps(PLAIN, protocol)))
    assert back.keys() == PLAIN.keys()
    assert back.pop("list") == PLAIN["list"]
    for name, value in back.items():
        assert np.array_equal(value, PLAIN[name]), name
        assert np.asarray(value).dtype.kind == np.asarray(PLAIN[name]).dtype.kind


def test_arrays_that_occur_twice_come_back_twice(tmp_path):
    shared = np.arange(1000.0)
    back = read_pickle(write(tmp_path, pickle.dumps({"a": shared, "b": [shared, shared]})))
    assert all(np.array_equal(value, shared) for value in (back["a"], *back["b"]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Evil(), r"asks for (posix|nt)\.system"),
        ({"clip": [eval]}, r"asks for builtins\.eval"),
        (np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")]), "numbers or text"),
        ({1: "a key that is a number"}, "expected str, got int"),
        ({(1, 2): "a key that is a tuple"}, "expected str, got tuple"),
        ({(1, 2), 3}, "expected str or bytes or int or float or NoneType or bool, got tuple"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_anything_else_is_refused_by_name(tmp_path, content, words, protocol):
    with pytest.raises(FileError, match=words):
        read_pickle(write(tmp_path, pickle.dumps(content, protocol)))


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btRq\x00"
"""Puts an array without content on the stack, and remembers it as 0."""


def dtype(code: bytes) -> bytes:
    state = b"(I3\nV<\nNNNI-1\nI-1\nI0\ntb"
    return b"cnumpy\ndtype\n(V" + code + b"\nI00\nI01\ntR" + state


def state(data: bytes, code: bytes = b"f8", shape: bytes = b"(I2\nt") -> bytes:
    return b"(I1\n" + shape + dtype(code) + b"I00\n" + data + b"t"


SIXTEEN = b"C\x10" + bytes(16)
FROMBUFFER = b"cnumpy.core.numeric\n_frombuffer\n"

ATTACKS = {
    "an array without content": (ARRAY + b".", "expected a finished value"),
    "a list for numbers": (ARRAY + state(b"(lI1\naI2\na") + b"b.", "expected bytes or bytearray"),
    "bytes for objects": (ARRAY + state(SIXTEEN, b"O") + b"b.", "expected list, got bytes"),
    "a list that is too short": (ARRAY + state(b"(lI1\na", b"O") + b"b.", "2 bytes or elements"),
    "too few bytes": (ARRAY + state(SIXTEEN, shape=b"(I3\nt") + b"b.", "24 bytes .*, got 16"),
    "text of no length": (ARRAY + state(b"C\x00", b"U0", b"(I99999999999\nt") + b"b.", "got 0"),
    "a negative shape": (ARRAY + state(SIXTEEN, shape=b"(I-2\nt") + b"b.", "expected a shape"),
    "a state set twice": (
        ARRAY + state(SIXTEEN) + b"b0h\x00" + state(SIXTEEN) + b"b.",
        "got ndarray",
    ),
    "a dtype changed later": (
        dtype(b"f8") + b"(I3\nVO\nNNNI-1\nI-1\nI0\ntb.", "a state that is set once"
    ),
    "an item set": (ARRAY + state(SIXTEEN) + b"bI0\nI5\ns.", "expected dict, got ndarray"),
    "an item set by a state": (ARRAY + state(SIXTEEN) + b"b(I0\nI5\nu.", "expected dict"),
    "objects seen as numbers": (
        FROMBUFFER + b"(" + ARRAY + state(b"(lI1\naI2\na", b"O") + b"b"
        + dtype(b"i8") + b"(I2\ntVC\ntR.",
        "expected bytes or bytearray, got ndarray",
    ),
    "numbers seen as objects": (
        FROMBUFFER + b"(" + SIXTEEN + dtype(b"O") + b"(I2\ntVC\ntR.", "expected list, got bytes"
    ),
    "a scalar that is an object": (
        b"cnumpy.core.multiarray\nscalar\n(" + dtype(b"O") + SIXTEEN + b"tR.", "expected list"
    ),
    "foreign memory": (
        b"cnumpy\nndarray\n((I1\ntVO\n\x8e\x08\x00\x00\x00\x00\x00\x00\x00AAAAAAAAtR.",
        "not callable",
    ),
    "a function with new defaults": (FROMBUFFER + b"N}V__defaults__\n)s\x86b.", "got _Global"),
    "bytes without end": (b"c__builtin__\nbytes\n(I999999999999\ntR.", "damaged"),
    "a codec": (b"c_codecs\nencode\n(I5\nVzlib\ntR.", "expected str, got int"),
    "an unknown opcode": (b"(i__main__\nA\n.", "got INST"),
    "an object": (b"c__builtin__\nset\n)\x81.", "got NEWOBJ"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_would_corrupt_memory_is_refused(tmp_path, name):
    content, words = ATTACKS[name]
    with pytest.raises(FileError, match=words):
        read_pickle(write(tmp_path, b"\x80\x03" + content))


def test_attacks_are_valid_without_their_fault(tmp_path):
    """So it is the fault that is refused, not another part of the attack."""
    back = read_pickle(write(tmp_path, b"\x80\x03" + ARRAY + state(SIXTEEN) + b"b."))
    assert back.tolist() == [0, 0]
    back = read_pickle(
        write(tmp_path, FROMBUFFER + b"(" + SIXTEEN + dtype(b"i8") + b"(I2\ntVC\ntR.")
    )
    assert back.tolist() == [0, 0]


def test_any_other_byte_than_0_is_a_true_bool(tmp_path):
    content = pickle.dumps(np.array([True, False])).replace(b"\x01\x00\x94", b"\x07\x00\x94")
    back = read_pickle(write(tmp_path, content))
    assert back.view(np.uint8).tolist() == [1, 0]


DOUBLED = b"(I0\nt" + b"q\x00h\x00\x86" * 40
"""A tuple of two tuples of two tuples ..., 2 ** 40 numbers deep down."""


@pytest.mark.parametrize(
    "content",
    [
        DOUBLED + b".",
        b"}" + DOUBLED + b"I1\ns.",
        b"\x8f(" + DOUBLED + b"\x90.",
        b"cnumpy\ndtype\n(" + DOUBLED + b"tR.",
        ARRAY + b"(I1\n" + DOUBLED + dtype(b"f8") + b"I00\nC\x00tb.",
    ],
    ids=["alone", "key", "member", "dtype", "shape"],
)
def test_a_tuple_that_is_doubled_forty_times_ends_at_once(tmp_path, content):
    file = write(tmp_path, b"\x80\x04" + content)
    assert file.stat().st_size < 400
    with suppress(FileError):
        assert len(read_pickle(file)) == 2


def test_one_buffer_does_not_fill_a_thousand_arrays(tmp_path):
    """10 kB that would become 200 MB."""
    buffer = b"B" + struct.pack("<I", 8000) + bytes(8000) + b"q\x00"
    array = FROMBUFFER + b"(h\x00" + dtype(b"f8") + b"(I1000\ntVC\ntR"
    content = b"\x80\x03" + buffer + (array + b"0") * 25_000 + b"."
    with pytest.raises(FileError, match="no more data than the file holds"):
        read_pickle(write(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(PLAIN)[:200], b"0.", b"t."])
def test_damaged_pickles_are_reported(tmp_path, content):
    with pytest.raises(FileError, match=r"damaged\.pkl: not a pickle, or damaged"):
        read_pickle(write(tmp_path, content, "damaged.pkl"))


WHOLE = [pickle.dumps(PLAIN, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]


@bounded(400)
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_changed_bytes_give_data_or_one_error(tmp_path_factory, whole, changes):
    content = bytearray(whole)
    for position, value in changes:
        content[position % len(content)] = value
    file = write(tmp_path_factory.getbasetemp(), content, "changed.pkl")
    with suppress(FileError):
        read_pickle(file)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(FileError, match=r"absent\.pkl"):
        read_pickle(tmp_path / "absent.pkl")


def test_a_dict_saved_by_numpy_comes_back(tmp_path):
    file = tmp_path / "dict.npy"
    np.save(file, {"coords": np.ones((2, 3, 2)), "name": "x"})
    back = read_npy(file)
    assert back["name"] == "x"
    assert np.array_equal(back["coords"], np.ones((2, 3, 2)))


def npy_header(shape):
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.array({"a": Evil()}), "asks for"),
        (np.zeros(3), "one saved object"),
        (npy_header(()) + pickle.dumps([1]), "one saved object"),
        (npy_header(()) + pickle.dumps(np.zeros(())), "one saved object"),
        (b"nonsense", "damaged"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': [[[[[[", "damaged"),
    ],
)
def test_other_npy_files_are_refused(tmp_path, content, words):
    file = tmp_path / "other.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content, allow_pickle=True)
    with pytest.raises(FileError, match=rf"other\.npy: .*{words}"):
        read_npy(file)
