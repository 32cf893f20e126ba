"""What a text means as a source: a local file, an address, a numbered sequence of images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

STDIN = "-"
"""Stands for standard input, as in other programs."""

NUMBERED = re.compile(r"%0?\d*d|#+")
"""The number in ``name.%04d.png`` and ``name.####.exr``."""


@dataclass(frozen=True)
class Place:
    """Where a file is.

    Attributes:
        name: For people.
        path: Of a local file.
        address: Of what is no local file, for PyAV.
        content: The bytes of a file that was given as such.
    """

    name: str
    path: Path | None = None
    address: str = ""
    content: bytes | None = None

    @classmethod
    def of(cls, source: Any) -> Place | None:
        """The place that a path or a text names; None for other types."""
        if not isinstance(source, (str, os.PathLike)):
            return None
        path = local_path(source)
        return cls(str(source), address=str(source)) if path is None else cls(path.name, path)

    @property
    def is_local(self) -> bool:
        """Whether it can be read again without a network."""
        return self.path is not None or self.content is not None

    def target(self) -> str | BytesIO:
        """What PyAV opens; with a scheme, because FFmpeg takes ``12:30.mp4`` for the scheme 12."""
        if self.content is not None:
            return BytesIO(self.content)
        return self.address or f"file:{self.path}"


def local_path(source: str | os.PathLike[str]) -> Path | None:
    """The path of a local file, also from ``file:///a%20b.mp4``; None for other addresses."""
    text = str(source)
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text) or Path(text).exists():
        return Path(source).expanduser()
    parts = urlsplit(text)
    return Path(unquote(parts.path)) if parts.scheme.lower() == "file" else None


def is_pipe(source: str | os.PathLike[str]) -> bool:
    """Whether a name stands for standard input, a FIFO or a process substitution of the shell."""
    path = local_path(source)
    return str(source) == STDIN or (path is not None and (path.is_fifo() or path.is_char_device()))


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which frame 2 comes before frame 10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def numbered_files(pattern: Path) -> list[Path]:
    """The files of a sequence such as ``name.%04d.png`` or ``name.####.exr``, in natural order."""
    before, after = NUMBERED.split(pattern.name, 1)
    fits = re.compile(re.escape(before) + r"\d+" + re.escape(after))
    found = pattern.parent.iterdir() if pattern.parent.is_dir() else ()
    return sorted((path for path in found if fits.fullmatch(path.name)), key=natural)


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers as text: ``3, 7..9``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}..{b}" for a, b in runs)
