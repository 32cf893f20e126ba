"""What a track format is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from motes.tracks import Tracks


@dataclass(frozen=True)
class Format:
    """A way to store tracks.

    Attributes:
        suffix: Of the file name, with the dot.
        summary: One line for the help.
        write: Writes tracks to a path.
        read: Reads them back without loss; None where the format cannot hold all of them.
        write_parts: As `write`, for consecutive stretches of frames that come one by one, in memory
            that does not grow; None where the format needs all frames at once.
        module: Package that it needs, where the extra named like the suffix brings it.
    """

    suffix: str
    summary: str
    write: Callable[[Tracks, Path], None]
    read: Callable[[Path], Tracks] | None = None
    write_parts: Callable[[Iterable[Tracks], Path], None] | None = None
    module: str | None = None
