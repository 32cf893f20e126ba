"""`Format`: a track format, and the options for writing and reading one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from motes.errors import InputError, MissingExtraError
from motes.tracks import Tracks

KEEP, DROP = "keep", "drop"
"""Options for frames in which a point is hidden: write them, or leave them out."""

BEST = "best"
"""Corners that are chosen by `motes.export.pins.best_four`."""


@dataclass(frozen=True)
class Options:
    """Options for the files of other programs; None: the default of the format.

    Attributes:
        first: Number that the other program gives to the first frame of the video.
        hidden: ``"keep"`` writes the frames in which a point is hidden, marked as hidden where the
            format can; ``"drop"`` leaves them out.
        pin: Ids of the top-left, top-right, bottom-right and bottom-left corner of a corner pin, or
            ``"best"`` for four reliable points that are far apart.

    Example:
        >>> from motes.export import Options, save
        >>> save(tracks, "shot.nk", Options(first=1001, hidden="drop"))
    """

    first: int | None = None
    hidden: str | None = None
    pin: tuple[int, ...] | str | None = None


@dataclass(frozen=True)
class Settings:
    """`Options` without None: the defaults of the format are filled in.

    Attributes:
        first: As in `Options`.
        hidden: As in `Options`.
        pin: As in `Options`.

    Example:
        >>> from motes.export import Options, find_format
        >>> find_format("shot.nk").settings(Options(first=1001)).first
        1001
    """

    first: int = 0
    hidden: str = KEEP
    pin: tuple[int, ...] | str | None = None

    def written(self, tracks: Tracks) -> np.ndarray:
        """Bool ``[N, T]``: the frames of each point that are written."""
        return tracks.visible if self.hidden == DROP else np.ones_like(tracks.visible)


@dataclass(frozen=True)
class Footage:
    """Facts about the video of a track file that the file may lack; None: unknown.

    Attributes:
        size: Width and height in pixels.
        fps: Frames per second.
        first: Number that the other program gives to the first frame of the video.

    Example:
        >>> from fractions import Fraction
        >>> from motes.export import Footage
        >>> Footage(size=(1920, 1080), fps=Fraction(24)).require()
        ((1920, 1080), Fraction(24, 1))
    """

    size: tuple[int, int] | None = None
    fps: Fraction | None = None
    first: int | None = None

    def together_with(
        self, size: tuple[int, int] | None = None, fps: Fraction | None = None
    ) -> Footage:
        """These facts, replaced by those that the file holds."""
        return Footage(size or self.size, fps or self.fps, self.first)

    def require(self) -> tuple[tuple[int, int], Fraction]:
        """The size and the frame rate.

        Raises:
            InputError: One of them is unknown.
        """
        if self.size is None or self.fps is None:
            unknown = "size" if self.size is None else "frame rate"
            raise InputError(
                f"the file does not say the {unknown} of the video; expected size=(W, H) and "
                "fps=... (--size WxH and --fps N, or --video FILE)"
            )
        return self.size, self.fps


@dataclass(frozen=True)
class Format:
    """A way to store tracks.

    Attributes:
        suffix: Suffix of the file name, with the dot.
        summary: One line for the help.
        write: Writes tracks to a path.
        read: Reads them back; None where the format cannot be read.
        write_parts: As `write`, for consecutive stretches of frames that come one by one, in memory
            that does not grow; None where the format needs all frames at once.
        needs: Packages that the format needs.
        extra: Extra of motes that installs them.
        lossless: Whether `read` gives back exactly what was written.
        first: Number of the first frame of the video by default; None where it cannot be chosen.
        hidden: Options for hidden frames, the default first; empty where there is no choice.
        points: Number of points that one file takes; None for any number.

    Example:
        >>> from motes.export import find_format
        >>> format = find_format("shot.nk")
        >>> format.summary
        'Nuke, a Tracker4 node'
        >>> format.first, format.hidden
        (1, ('keep', 'drop'))
    """

    suffix: str
    summary: str
    write: Callable[[Tracks, Path, Settings], None]
    read: Callable[[Path, Footage], Tracks] | None = None
    write_parts: Callable[[Iterable[Tracks], Path], None] | None = None
    needs: tuple[str, ...] = ()
    extra: str = ""
    lossless: bool = False
    first: int | None = None
    hidden: tuple[str, ...] = ()
    points: int | None = None

    @property
    def is_pin(self) -> bool:
        """Whether the points are the corners of a corner pin."""
        return self.points == 4

    @property
    def is_installed(self) -> bool:
        """Whether the packages that the format needs are there."""
        return all(find_spec(name) for name in self.needs)

    def check_installed(self) -> None:
        """Raise if a package that the format needs is not installed.

        Raises:
            MissingExtraError: It is not.
        """
        if not self.is_installed:
            raise MissingExtraError(f"The format {self.suffix}", self.extra)

    def settings(self, options: Options) -> Settings:
        """Options of the user, and the defaults of the format for the others.

        Raises:
            InputError: The format does not have this choice.
        """
        if options.first is not None and self.first is None:
            raise InputError(f"{self.suffix} files have fixed frame numbers, got {options.first}")
        if options.hidden is not None and options.hidden not in self.hidden:
            known = " or ".join(self.hidden) or "no choice"
            raise InputError(f"hidden: {self.suffix} files take {known}, got {options.hidden!r}")
        if options.pin is not None and not self.is_pin:
            raise InputError(f"{self.suffix} files are no corner pins, got corners {options.pin}")
        first = self.first or 0 if options.first is None else options.first
        hidden = options.hidden or (self.hidden[0] if self.hidden else KEEP)
        return Settings(first, hidden, options.pin)

    def check_count(self, count: int, options: Options) -> None:
        """Raise if a file does not take this number of points.

        Raises:
            InputError: It does not.
        """
        if self.points is None or count == self.points or (self.is_pin and options.pin):
            return
        hint = "the ids of four corners" if self.is_pin else "one id"
        raise InputError(f"{self.suffix} files take {self.points} points, got {count}; give {hint}")
