"""Write files and folders completely or not at all."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from motes.common.temporary import remove, sweep, temporary_path
from motes.errors import FileError, InputError

PROBE = bytes(2**16)
"""Content of the test file that `check_writable` writes and removes."""

LOCK = "lock"
"""Name of the file that `locked` makes."""


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """Write under a temporary name in the same folder, and rename after success.

    Temporary files that killed runs left in the folder are removed first.

    Args:
        path: The file or folder to write; an existing file is kept until the new content is
            complete.  The files of an existing folder are kept.

    Yields:
        The temporary path, absolute and with the same suffix; it does not exist yet.

    Raises:
        FileError: It cannot be written, for example because the disk is full.
    """
    target = Path(path).expanduser().absolute()
    sweep(target.parent)
    temporary = temporary_path(target)
    try:
        yield temporary
        if temporary.is_dir():
            _move_folder(temporary, target)
        else:
            temporary.replace(target)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # this error would hide the first one
            remove(temporary)


def _move_folder(temporary: Path, target: Path) -> None:
    """Rename a folder, or move its files into an existing one."""
    with suppress(OSError):
        target.rmdir()  # succeeds only if it is empty
    if not target.exists():
        temporary.rename(target)
        return
    files = sorted(temporary.iterdir())
    if any((target / file.name).exists() for file in files):
        other = _free_name(target)
        temporary.rename(other)
        raise FileError(
            f"cannot write {target}: files of the same names have appeared there; "
            f"the new ones are in {other}"
        )
    for file in files:
        file.rename(target / file.name)


def _free_name(path: Path) -> Path:
    number = 2
    while (free := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return free


def check_writable(path: str | PathLike[str], *, folder: bool = False, size: int = 0) -> None:
    """Raise, before any work is done, if an output cannot be written.

    A small file is written beside it and removed.  This detects missing permissions, read-only
    file systems and full disks.

    Args:
        path: The output.
        folder: Whether it will be a folder, not a file.
        size: Least size of the output in bytes.

    Raises:
        FileError: Its folder does not exist or cannot be written to, its name is too long, there
            is no space, or an existing file of this name cannot be replaced.
    """
    target = Path(path).expanduser().absolute()
    try:
        if problem := _obstacle(target, folder, size):
            raise FileError(f"cannot write {path}: {problem}")
        sweep(target.parent)
        probe = temporary_path(target)
        try:
            probe.write_bytes(PROBE)
        finally:
            remove(probe)
    except FileError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"cannot write {path}: {reason}") from None


def _obstacle(target: Path, folder: bool, size: int) -> str | None:
    """The reason why a path cannot be written, as far as it is known without writing."""
    if not target.parent.is_dir():
        return f"expected an existing folder, {target.parent} is none"
    if target.exists():
        if target.is_dir() != folder:
            return f"expected a {'folder' if folder else 'file'}, found a {_kind(target)}"
        if not os.access(target, os.W_OK):
            return f"expected a {_kind(target)} that may be written, got a protected one"
    free = shutil.disk_usage(target.parent).free
    if free < size:
        return f"expected {size / 1e6:.0f} MB of free space, found {free / 1e6:.0f} MB"
    return None


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def make_folder(path: str | PathLike[str]) -> Path:
    """Make a folder and its parents, unless it exists.

    Raises:
        FileError: It cannot be made.
    """
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {path}: {error.strerror or error}") from None
    return folder


@contextmanager
def locked(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Lock a folder against other processes and threads.

    Args:
        folder: An existing folder.
        name: Of a file that is made in it, and stays.

    Raises:
        FileError: Another run works there now, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / name, timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise FileError(
            f"{folder}: another run is writing there now; wait for it, or choose another output"
        ) from None
    except OSError as error:
        raise FileError(f"cannot write {folder}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def check_overwrites(
    outputs: Iterable[str | PathLike[str]], inputs: Iterable[str | PathLike[str]]
) -> None:
    """Raise, before any work is done, if writing the outputs would destroy a file.

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


def file_stats(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time of the last change in nanoseconds of each file."""
    stats = [(file.name, file.stat()) for file in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:  # one of them does not exist
        return os.path.normcase(a.resolve()) == os.path.normcase(b.resolve())
