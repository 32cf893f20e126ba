"""Whether something fits into memory, before it is read."""

import zipfile
from pathlib import Path

from motes.errors import InputError


def check_memory(needed: int, what: str) -> None:
    """Raise unless so much memory is free.

    Args:
        needed: Bytes.
        what: What needs them, as the start of a sentence: ``"reading x.npz"``.

    Raises:
        InputError: Less memory is free.
    """
    import psutil

    free = psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"{what} needs {needed / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are free"
        )


def check_archive_memory(path: Path) -> None:
    """Raise unless the content of a zip archive, such as a checkpoint, fits into memory.

    Args:
        path: A file; one of another format passes.

    Raises:
        OSError: It cannot be read.
        InputError: It does not fit.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        check_memory(size, "unpacking this file")
