"""Check, before data is read, that it fits into memory."""

import zipfile
from pathlib import Path

from motes.errors import InputError


def check_memory(needed: int, what: str) -> None:
    """Raise unless `needed` bytes of memory are free.

    Args:
        needed: Bytes.
        what: The operation, as the start of a sentence: ``"reading x.npz"``.

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
        path: A file; files of other formats are not checked.

    Raises:
        OSError: The file cannot be read.
        InputError: The content does not fit.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        check_memory(size, "unpacking this file")
