"""Names of temporary files beside an output, and the removal of those that killed runs left.

A name is ``.STEM-motes-SPACE-PID-RANDOM.SUFFIX``.  SPACE stands for the machine and its space of
process numbers, so that a file is removed only where it is known that no process writes it.
"""

import hashlib
import os
import platform
import re
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

NAME = re.compile(r"\..*-motes-([0-9a-f]{6})-(\d+)-[0-9a-f]{8}(\.[^.]*)?", re.DOTALL)

LONGEST_NAME = 255
"""Bytes of a file name, where the system does not tell."""

STALE = 7 * 24 * 3600
"""Seconds after which a temporary file of another machine counts as left behind."""


def temporary_path(target: Path) -> Path:
    """A new name in the folder of `target`, with its suffix, no longer than the system allows."""
    tag = f"-motes-{_process_space()}-{os.getpid()}-{uuid4().hex[:8]}{target.suffix}"
    room = max(_longest_name(target.parent) - len(os.fsencode(tag)) - 1, 0)
    stem = os.fsencode(target.stem.lstrip("."))[:room].decode(errors="ignore")
    return target.with_name(f".{stem}{tag}")


def is_temporary(name: str) -> bool:
    """Whether a file name is one of `temporary_path`."""
    return NAME.fullmatch(name) is not None


def left_behind(folder: Path) -> list[Path]:
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
    """Hash of the machine and, in containers, of the space of process numbers."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:6]


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # Windows has no pathconf
        return LONGEST_NAME
