"""``motes export``: tracks from one file format to others."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import say, warn
from motes.common.files import check_overwrites
from motes.export import check_output, load, save_parts
from motes.tracks import Tracks


def command(
    tracks: Annotated[
        Path, typer.Argument(help="A track file, such as bike.npz, or the .part folder of a run.")
    ],
    output: Annotated[
        list[Path],
        typer.Option(
            "--output", "-o", help="File to write, by suffix: $track_suffixes.  Repeatable."
        ),
    ],
) -> None:
    """Convert tracks to other file formats.

    Example:
      motes export bike.npz -o bike.csv -o bike.json
    """
    for path in output:
        check_output(path)
    check_overwrites(output, [tracks])
    parts = _recording(tracks) if tracks.is_dir() else [load(tracks)]
    for path in output:
        save_parts(parts, path)
        say(f"wrote {path}")


def _recording(folder: Path) -> Iterable[Tracks]:
    """What a run has written so far, one stretch of frames at a time."""
    from motes.tracking.recording import Recording

    found = Recording(folder)
    if not found.complete:
        warn(f"{folder}: the run did not come to its end")
    return found
