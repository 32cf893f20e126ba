"""Temporary files and folders, and the removal of those that killed runs left behind.

A name is ``.STEM-motes-SPACE-PID-RANDOM.SUFFIX``.  SPACE identifies the machine and the namespace
of process ids, so that a file is removed only if certainly no process writes it.
"""

import hashlib
import os
import platform
import re
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from uuid import uuid4

NAME = re.compile(r"\..*-motes-([0-9a-f]{6})-(\d+)-[0-9a-z_]{8}(\.[^.]*)?", re.DOTALL)

LONGEST_NAME = 255
"""Largest length of a file name in bytes, if the system gives none."""

STALE = 7 * 24 * 3600
"""Seconds after which a temporary file of another machine counts as left behind."""

_swept: set[Path] = set()  # folders that this process has swept


def temporary_path(target: Path) -> Path:
    """A new name in the folder of `target`, with its suffix, no longer than the system allows."""
    tag = f"-motes-{_process_space()}-{os.getpid()}-{uuid4().hex[:8]}{target.suffix}"
    room = max(_longest_name(target.parent) - len(os.fsencode(tag)) - 1, 0)
    stem = os.fsencode(target.stem.lstrip("."))[:room].decode(errors="ignore")
    return target.with_name(f".{stem}{tag}")


def is_temporary(name: str) -> bool:
    """Whether a file name is one of `temporary_path`."""
    return NAME.fullmatch(name) is not None


def temporary_folder(purpose: str) -> TemporaryDirectory[str]:
    """A folder for intermediate data of this process, in the system's temporary folder.

    Args:
        purpose: A word for its name.
    """
    sweep(Path(gettempdir()))
    return TemporaryDirectory(prefix=f".{purpose}-motes-{_process_space()}-{os.getpid()}-")


def sweep(folder: Path) -> None:
    """Remove temporary files of killed runs from a folder, once per process."""
    if folder in _swept:
        return
    _swept.add(folder)
    for path in _left_behind(folder):
        with suppress(OSError):
            remove(path)


def remove(path: Path) -> None:
    """Delete a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _left_behind(folder: Path) -> list[Path]:
    """Temporary files and folders whose process was killed."""
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = NAME.fullmatch(entry.name)
            if name and _is_stale(entry, name[1], int(name[2])):
                found.append(Path(entry.path))
    return found


def _is_stale(entry: os.DirEntry[str], space: str, process: int) -> bool:
    if space == _process_space():
        import psutil

        return not psutil.pid_exists(process)
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE


@cache
def _process_space() -> str:
    """Hash of the machine and, in containers, of the namespace of process ids."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:6]


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # Windows has no pathconf
        return LONGEST_NAME
