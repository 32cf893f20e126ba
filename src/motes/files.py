"""How files come to be written: whole, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from motes.errors import FileError


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """Write to a temporary file in the same folder, and rename it when all went well.

    Args:
        path: The file to write; what was there stays until the new content is complete.

    Yields:
        The temporary path, with the same suffix.

    Raises:
        FileError: The file cannot be written.
    """
    target = Path(path).absolute()
    try:
        handle, name = tempfile.mkstemp(suffix=target.suffix, prefix=".motes-", dir=target.parent)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
