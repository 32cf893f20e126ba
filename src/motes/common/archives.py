"""Read untrusted ``.npz`` archives: no objects, and no arrays larger than the free memory."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from motes.common.headroom import check_memory
from motes.common.values import flag_array
from motes.errors import InputError

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_archive(path: Path, names: Iterable[str], copies: int = 1) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file.

    Args:
        path: The file.
        names: Arrays to read; absent ones are left out.
        copies: Number of copies of the arrays that will be in memory at once.

    Returns:
        Arrays of numbers or text, by name.

    Raises:
        OSError: The file cannot be read.
        InputError: It is not an archive, holds objects, is damaged, or is too large for the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name for name in names if f"{name}.npy" in archive.namelist()]
            needed = sum(_size(archive, name) for name in found)
            check_memory(copies * needed, "reading these arrays")
            return {name: _read(archive, name) for name in found}
    except (InputError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many types
        raise InputError(f"expected a NumPy archive of arrays; {error}") from None


def _size(archive: zipfile.ZipFile, name: str) -> int:
    """Size of an array in bytes, from its header."""
    with archive.open(f"{name}.npy") as file:
        shape, dtype = _header(file, name)
    return math.prod(shape) * dtype.itemsize


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise InputError(f"{name}: expected version 1 or 2 of .npy, got {version}")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject or dtype.fields:
        raise InputError(f"{name}: expected numbers or text, got {dtype}")
    return shape, dtype


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    return flag_array(name, array) if array.dtype == bool else array
