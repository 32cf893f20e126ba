"""Long runs that continue after a kill: the folder of their tracks until the output is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from motes.cli._common import warn
from motes.common.temporary import remove
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video


def part_folder(output: str | Path) -> Path:
    """Folder of the recordings of a long run, beside its output."""
    path = Path(str(output).rstrip("/"))
    return path.with_name(f"{path.name}.part")


@contextmanager
def resumable(tracker: Tracker, video: Video, output: str | Path) -> Iterator[Tracker]:
    """A tracker for one edit; of a long video, it keeps what it has tracked until the edit is done.

    Yields:
        The tracker.

    Raises:
        FileError: The folder cannot be made, or another run writes there.
    """
    from motes.tracking.recording import is_long, recording_folder
    from motes.tracking.resumable import ResumableTracker

    if video.once or not is_long(video):
        yield tracker
        return
    with recording_folder(part_folder(output)) as folder:
        try:
            yield ResumableTracker(tracker, folder)
        except InputError:
            remove(folder)
            raise
        except BaseException:
            if any(folder.glob("*/*/*.npz")):
                warn(f"what was tracked is kept in {folder}; the same command goes on from there")
            raise
        remove(folder)
