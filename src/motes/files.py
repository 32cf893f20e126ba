"""How files and folders come to be written: whole, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from uuid import uuid4

from motes.errors import FileError


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """Write under a temporary name in the same folder, and rename when all went well.

    Args:
        path: The file or folder to write; what was there stays until the new content is complete.

    Yields:
        The temporary path, with the same suffix; nothing is there yet.

    Raises:
        FileError: It cannot be written, for example because the disk is full.
    """
    target = Path(path).expanduser()
    temporary = target.with_name(f".{target.stem}.{uuid4().hex[:8]}{target.suffix}")
    try:
        yield temporary
        if temporary.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
