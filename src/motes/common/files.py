"""How files and folders come to be written: whole, or not at all."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from uuid import uuid4

from motes.errors import FileError, InputError


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


def check_overwrites(
    outputs: Iterable[str | PathLike[str]], inputs: Iterable[str | PathLike[str]]
) -> None:
    """Raise, before any work is done, if writing the outputs would destroy something.

    Links, hard links and names that differ only in case (where the system ignores it) count as the
    same file.

    Args:
        outputs: Files or folders that will be written.
        inputs: Files that are read.

    Raises:
        InputError: An output is the same file as an input, or as another output.
    """
    read = [Path(path).expanduser() for path in inputs]
    written: list[Path] = []
    for output in outputs:
        path = Path(output).expanduser()
        if any(_same_file(path, other) for other in read):
            raise InputError(f"{output}: expected an output that is not an input, it would be lost")
        if any(_same_file(path, other) for other in written):
            raise InputError(f"{output}: expected different outputs, got the same file twice")
        written.append(path)


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:  # one of them does not exist
        return os.path.normcase(a.resolve()) == os.path.normcase(b.resolve())


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
