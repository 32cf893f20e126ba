"""Names of output files, made from the names of videos and clips."""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

LONGEST = 180
"""Bytes of a name, so that a suffix and a few more characters fit."""

PATTERN = re.compile(r"[*?\[#{%]")
"""Where the fixed part of a glob, or of a numbered name such as ``shot.%04d.png``, ends."""

STREAMS = re.compile(r"-|/dev/(stdin|fd/\d+)|/proc/self/fd/\d+")


def video_names(videos: Sequence[str]) -> list[str]:
    """A short name for each video, all different.

    Videos of the same name get the names of their folders in front, then numbers.

    Args:
        videos: Paths, folders, globs, URLs, ``-`` or numbers of cameras.

    Example:
        >>> video_names(["a/bike.mp4", "b/bike.mp4", "shot/*.png"])
        ['a_bike', 'b_bike', 'shot']
    """
    names = [_video_name(video) for video in videos]
    if len(set(names)) < len(names):
        names = [
            f"{_folder_name(v)}_{name}" if names.count(name) > 1 else name
            for v, name in zip(videos, names, strict=True)
        ]
    return _numbered([shortened(name) for name in names])


def file_name(text: str) -> str:
    """A name that every file system takes; different texts give different names.

    Characters other than letters, digits, ``_``, ``-``, ``.`` and spaces become ``%XX``; so does a
    dot at the start.  Long names end in a hash.
    """
    return shortened(re.sub(r"[^\w. -]|^\.", lambda match: f"%{ord(match[0]):02X}", text))


def shortened(name: str) -> str:
    """The name, or its start and a hash where it is too long for a file name."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[:LONGEST].decode(errors='ignore')}-{digest}"


def free_path(path: str) -> str:
    """The path itself, or with a number where a file has this name already."""
    target, number = Path(path), 2
    while Path(path).exists():
        path = str(target.with_stem(f"{target.stem}_{number}"))
        number += 1
    return path


def _video_name(video: str) -> str:
    if STREAMS.fullmatch(video):
        return "stdin"
    if "://" in video:
        return _url_name(video)
    path = Path(video).expanduser()
    if video.isdecimal() and not path.exists():
        return f"camera{video}"
    if path.is_dir():
        return path.resolve().name or "video"
    return path.stem if path.exists() else _fixed_part(path)


def _fixed_part(path: Path) -> str:
    """What a glob or a numbered name begins with; else the name of its folder."""
    match = PATTERN.search(path.name)
    name = path.name[: match.start()].rstrip("._- ") if match else path.stem
    if name:
        return name
    return _fixed_part(path.parent) if path.parent.name else path.parent.resolve().name or "video"


def _url_name(url: str) -> str:
    try:
        parts = urlsplit(url)
        return file_name(PurePosixPath(unquote(parts.path)).stem or parts.hostname or "video")
    except ValueError:  # such as a broken IPv6 address
        return "video"


def _folder_name(video: str) -> str:
    if "://" in video:
        return "url"
    return Path(video).expanduser().resolve().parent.name or "root"


def _numbered(names: list[str]) -> list[str]:
    """Names with numbers where there are equal ones, also in systems that ignore case."""
    taken: set[str] = set()
    for i, name in enumerate(names):
        number = 1
        while names[i].casefold() in taken:
            number += 1
            names[i] = f"{name}_{number}"
        taken.add(names[i].casefold())
    return names
