"""The folder that was shared: its videos and projects, and nothing outside it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from motes.errors import FileError, InputError

VIDEO_SUFFIXES = frozenset((
    ".3gp", ".apng", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".webp", ".wmv", ".y4m",
))  # fmt: skip
IMAGE_SUFFIXES = frozenset((".bmp", ".dpx", ".exr", ".jpeg", ".jpg", ".png", ".tif", ".tiff"))
PROJECT_SUFFIX = ".motes"
MAX_ENTRIES = 2000


@dataclass(frozen=True)
class Entry:
    """One line of a listing; `kind` is folder, video, images (a folder of them) or project."""

    name: str
    path: str
    kind: str
    size: int


def confined(root: Path, path: str) -> Path:
    """The file or folder of this name inside `root`, after all links are followed.

    Args:
        root: The folder that is shared.
        path: Relative to it, with slashes.

    Raises:
        InputError: It lies outside.
        FileError: There is no such file.
    """
    if "\0" in path:
        raise InputError("path: expected a name without NUL characters")
    try:
        found = (root / path).resolve()
    except (OSError, RuntimeError):
        raise FileError(f"{path}: expected a file that can be opened") from None
    if not found.is_relative_to(root.resolve()):
        raise InputError(f"{path}: expected a path inside the folder that is served")
    if not found.exists():
        raise FileError(f"{path}: expected a file or folder, found none")
    return found


def confined_video(root: Path, path: str) -> Path:
    """As `confined`; a folder of images may not lead outside through its links either."""
    found = confined(root, path)
    for entry in os.scandir(found) if found.is_dir() else ():
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root.resolve()):
            raise InputError(f"{path}: expected a folder without links to the outside")
    return found


def listing(root: Path, path: str) -> list[dict[str, Any]]:
    """Folders, videos and projects inside a folder, the folders first.

    Raises:
        InputError: The folder lies outside `root`.
        FileError: There is no such folder, or it cannot be read.
    """
    folder = confined(root, path)
    if not folder.is_dir():
        raise FileError(f"{path}: expected a folder")
    try:
        paths = sorted(folder.iterdir(), key=lambda p: p.name.lower())[:MAX_ENTRIES]
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    found = [entry for p in paths if (entry := _entry(root, p)) is not None]
    return [asdict(e) for e in sorted(found, key=lambda e: e.kind != "folder")]


def _entry(root: Path, path: Path) -> Entry | None:
    if path.name.startswith(".") or not path.resolve().is_relative_to(root.resolve()):
        return None
    kind = _kind(path)
    if kind is None:
        return None
    relative = path.relative_to(root.resolve()).as_posix()
    return Entry(path.name, relative, kind, path.stat().st_size if path.is_file() else 0)


def _kind(path: Path) -> str | None:
    if path.is_dir():
        return "images" if _has_images(path) else "folder"
    suffix = path.suffix.lower()
    if not path.is_file():
        return None
    return "project" if suffix == PROJECT_SUFFIX else "video" if suffix in VIDEO_SUFFIXES else None


def _has_images(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(Path(e.name).suffix.lower() in IMAGE_SUFFIXES for e in entries)
    except OSError:
        return False
