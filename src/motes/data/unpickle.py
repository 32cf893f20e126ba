"""Read pickles of data sets without running what they ask for.

A pickle is a program.  Those of data sets need nothing but NumPy arrays and plain containers; what
builds them here is our own, because NumPy's builders trust their arguments (`numpy.ndarray` makes
pointers out of the bytes it is given, if it is told that they are objects).
"""

from __future__ import annotations

import codecs
import pickle
import re
from pathlib import Path
from typing import IO, Any

import numpy as np

from motes.errors import FileError

PLAIN_DTYPE = re.compile(r"[?biufcSUO]\d*")


class _DType:
    """A plain dtype; the byte order comes with its state."""

    def __init__(self, code: str, *_: Any) -> None:
        if not PLAIN_DTYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"expected arrays of numbers or text, got dtype {code!r}")
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subdtype, names, fields, *_ = state
        if subdtype or names or fields:
            raise pickle.UnpicklingError("expected arrays of numbers or text, got records")
        self.value = self.value.newbyteorder(order)


class _Array(np.ndarray):
    """An array whose state names its dtype by `_DType`."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, dtype, fortran, data = state
        super().__setstate__((version, shape, dtype.value, fortran, data))


def _reconstruct(_kind: Any, _shape: Any, _code: Any) -> _Array:
    return np.zeros(0).view(_Array)


def _frombuffer(buffer: Any, dtype: _DType, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(buffer, dtype.value).reshape(shape, order=order)  # type: ignore[call-overload]


def _scalar(dtype: _DType, data: bytes) -> Any:
    return np.frombuffer(data, dtype.value)[0]


ALLOWED: dict[str, Any] = {
    "builtins.bytes": bytes,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.bytearray": bytearray,
    "collections.OrderedDict": dict,
    "_codecs.encode": codecs.encode,  # how protocols 0 to 2 write bytes
    "numpy.ndarray": "ndarray",  # only ever handed to _reconstruct
    "numpy.dtype": _DType,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
}
"""All that a pickle may ask for."""

RENAMED = {"numpy._core.": "numpy.core.", "__builtin__.": "builtins."}
"""Modules that are called differently since NumPy 2 and in pickles of protocols 0 to 2."""


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that knows NumPy arrays and plain containers, and refuses all else by name."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up a global of the pickle.

        Raises:
            pickle.UnpicklingError: It is not on the list.
        """
        asked = f"{module}.{name}"
        for other, usual in RENAMED.items():
            asked = asked.replace(other, usual, 1)
        if asked not in ALLOWED:
            raise pickle.UnpicklingError(
                f"expected only NumPy arrays and plain containers, but it asks for {asked}"
            )
        return ALLOWED[asked]


def read_pickle(path: Path) -> Any:
    """Read a pickle file.

    Raises:
        FileError: It cannot be read, is damaged, or asks for anything else than data.
    """
    with _open(path) as file:
        return _unpickle(file, path)


def read_npy(path: Path) -> Any:
    """Read an object, such as a dict, that was saved as ``.npy``.

    Raises:
        FileError: It cannot be read, is damaged, holds no object, or asks for anything else than
            data.
    """
    with _open(path) as file:
        try:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except (ValueError, EOFError) as reason:
            raise FileError(f"{path}: {reason}") from None
        if shape != () or dtype.kind != "O":
            raise FileError(f"{path}: expected one saved object, got {dtype} {list(shape)}")
        return _unpickle(file, path).item()


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as reason:
        raise FileError(f"{path}: {reason.strerror}") from None


def _unpickle(file: IO[bytes], path: Path) -> Any:
    try:
        return RestrictedUnpickler(file).load()
    except Exception as reason:  # a damaged pickle can raise anything
        raise FileError(f"{path}: {reason or type(reason).__name__}") from None
