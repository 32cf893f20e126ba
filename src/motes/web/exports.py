"""What can be taken away: track files, the rendered video, the contact sheet."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motes.errors import InputError
from motes.export import formats
from motes.rendering import Style, looks, plot, render
from motes.rendering.backgrounds import BACKGROUNDS
from motes.tracks import Tracks
from motes.web.footage import Footage

PICTURES = {
    "video": (".mp4", "The video with its tracks drawn over it"),
    "gif": (".gif", "The same as an animated GIF"),
    "sheet": (".png", "A contact sheet: key frames, paths, who is visible when"),
}
"""What is drawn: kind, suffix and summary."""


@dataclass(frozen=True)
class Look:
    """How the page and the exported pictures show tracks; a part of `Style`."""

    look: str = "trails"
    tail: int = 20
    background: str = "normal"
    occluded: bool = True
    scale: float = 1.0

    def style(self) -> Style:
        """As the rest of motes has it.

        Raises:
            InputError: A value is unknown or out of its range.
        """
        if self.look not in looks():
            raise InputError(f"look: expected one of {', '.join(looks())}, got {self.look!r}")
        return Style(
            look=self.look,
            color="point",
            tail=self.tail,
            background=self.background,
            hidden=self.occluded,
            scale=self.scale,
        )


def choices() -> dict[str, Any]:
    """All that the page can offer."""
    files = [
        {
            "kind": suffix,
            "summary": f.summary,
            "available": f.is_installed,
            "points": f.points,
        }
        for suffix, f in sorted(formats().items())
    ]
    pictures = [{"kind": kind, "summary": text} for kind, (_, text) in PICTURES.items()]
    return {
        "files": files,
        "pictures": pictures,
        "looks": [{"name": look.name, "summary": look.summary} for look in looks().values()],
        "backgrounds": list(BACKGROUNDS),
    }


def check_kind(kind: str) -> None:
    """Raise `InputError` unless `write_export` can write this kind."""
    known = [*formats(), *PICTURES]
    if kind not in known:
        raise InputError(f"export: expected one of {' '.join(known)}, got {kind!r}")


def write_export(
    kind: str,
    tracks: Tracks,
    footage: Footage,
    folder: Path,
    look: Look,
    progress: Callable[[int], object],
) -> Path:
    """Write one file.

    Args:
        kind: A suffix of `motes.export.formats`, or a key of `PICTURES`.
        tracks: What to write.
        footage: Their video.
        folder: An empty one.
        look: Of pictures.
        progress: Called with 1 after each frame that was drawn.

    Returns:
        The file; a format that writes a folder is packed into a ``.zip``.

    Raises:
        InputError: The kind is unknown, or a value does not fit.
        MissingExtraError: The format needs a package that is not installed.
        FileError: It cannot be written.
    """
    check_kind(kind)
    stem = Path(footage.info.name).stem or "motes"
    if kind not in PICTURES:
        return _packed(_save(tracks, folder / f"{stem}_tracks{kind}"))
    path = folder / f"{stem}_{kind}{PICTURES[kind][0]}"
    if kind == "sheet":
        plot(footage.open(), tracks, path, title=footage.info.name, style=look.style())
    else:
        render(footage.open(), tracks, path, style=look.style(), progress=progress)
    return path


def _save(tracks: Tracks, path: Path) -> Path:
    tracks.save(path)
    return path


def _packed(path: Path) -> Path:
    if not path.is_dir():
        return path
    return Path(shutil.make_archive(str(path), "zip", path))
