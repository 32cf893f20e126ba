"""Track files: one format a file of this package, chosen by the longest suffix that fits.

A module offers a `Format`; the registry finds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from os import PathLike
from pathlib import Path

from motes.common.files import check_writable, replacing
from motes.common.registry import discover
from motes.errors import FileError, InputError
from motes.export.base import Footage, Format, Options
from motes.tracks import Tracks, consecutive

__all__ = [
    "Footage",
    "Format",
    "Options",
    "check_output",
    "find_format",
    "formats",
    "is_track_file",
    "load",
    "save",
    "save_parts",
]


def formats() -> dict[str, Format]:
    """Every format, by its suffix such as ``".csv"`` or ``".dlc.csv"``.

    Example:
        >>> from motes.export import formats
        >>> formats()[".csv"].lossless
        True
    """
    return {f.suffix: f for f in discover("motes.export", Format)}


def is_track_file(path: str | PathLike[str]) -> bool:
    """Whether a format has the suffix of this file name.

    Example:
        >>> from motes.export import is_track_file
        >>> is_track_file("bike.nk"), is_track_file("bike.mp4")
        (True, False)
    """
    return _suffix(path) is not None


def find_format(path: str | PathLike[str]) -> Format:
    """The format of a file name: ``bike.dlc.csv`` is ``.dlc.csv``, not ``.csv``.

    Raises:
        InputError: No format has this suffix.
        MissingExtraError: What the format needs is not installed.

    Example:
        >>> from motes.export import find_format
        >>> find_format("mouse.dlc.csv").suffix
        '.dlc.csv'
    """
    suffix = _suffix(path)
    if suffix is None:
        known = " ".join(sorted(formats()))
        raise InputError(
            f"{path}: expected a track file with one of the suffixes {known}, "
            f"got {Path(path).suffix or 'none'!r}"
        )
    file_format = formats()[suffix]
    file_format.check_installed()
    return file_format


def _suffix(path: str | PathLike[str]) -> str | None:
    """The longest known suffix of a file name."""
    name = Path(path).name.lower()
    fitting = [s for s in formats() if name.endswith(s) and name != s]
    return max(fitting, key=len, default=None)


def check_output(path: str | PathLike[str], options: Options | None = None) -> None:
    """Make sure that tracks could be written here, before any work is done.

    Raises:
        InputError: No format writes this suffix, or the format does not have these options.
        MissingExtraError: What the format needs is not installed.
        FileError: It cannot be written; see `check_writable`.

    Example:
        >>> from motes.export import check_output
        >>> check_output("bike.dlc.csv")
    """
    find_format(path).settings(options or Options())
    check_writable(path)


def save(tracks: Tracks, path: str | PathLike[str], options: Options | None = None) -> None:
    """Write tracks to a file, whole or not at all.

    Args:
        tracks: What is written.
        path: The longest known suffix of the name chooses the format.
        options: For the files of other programs.

    Raises:
        InputError: No format writes this suffix, or the format does not have these options, or
            does not take this number of points.
        MissingExtraError: What the format needs is not installed.
        FileError: The file cannot be written.

    Example:
        >>> from motes.export import Options, save
        >>> save(tracks, "shot.nk", Options(first=1001))
    """
    options = options or Options()
    check_output(path, options)
    file_format = find_format(path)
    file_format.check_count(len(tracks), options)
    with replacing(path) as temporary:
        file_format.write(tracks, temporary, file_format.settings(options))


def save_parts(
    parts: Iterable[Tracks], path: str | PathLike[str], options: Options | None = None
) -> None:
    """Write consecutive stretches of frames to one file, such as those of a `Recording`.

    Formats with `Format.write_parts` take them one by one, in memory that does not grow; for the
    others they are joined first.

    Args:
        parts: At least one; see `Tracks.concat_frames`.
        path: The suffix chooses the format.
        options: For the files of other programs.

    Raises:
        InputError: As `save`; or the parts are not stretches of the same tracks.
        MissingExtraError: What the format needs is not installed.
        FileError: The file cannot be written.

    Example:
        >>> from motes.export import save_parts
        >>> save_parts([tracks[:, :5], tracks[:, 5:]], "parts.csv")
    """
    check_output(path, options)
    write, parts = find_format(path).write_parts, iter(parts)
    first = list(islice(parts, 1))
    parts = chain(first, parts)
    if write is None or not any(map(len, first)):  # without points there are no rows
        save(Tracks.concat_frames(list(parts)), path, options)
        return
    with replacing(path) as temporary:
        write(consecutive(parts), temporary)


def load(path: str | PathLike[str], footage: Footage | None = None) -> Tracks:
    """Read tracks from a file.

    Args:
        path: The longest known suffix of the name chooses the format.
        footage: What the files of other programs do not say about the video.

    Raises:
        InputError: No format reads this suffix, the content does not fit, or the size or the frame
            rate of the video is not known.
        MissingExtraError: What the format needs is not installed.
        FileError: The file does not exist or cannot be read.

    Example:
        >>> from motes.export import Footage, Options, load, save
        >>> save(tracks, "shot.nk", Options(first=1001))
        >>> load("shot.nk", Footage(size=(96, 72), fps=25, first=1001)).frames
        range(0, 12)
    """
    footage = footage or Footage()
    file_format = find_format(path)
    if file_format.read is None:
        raise InputError(f"{path}: this format can be written, but not read back")
    if footage.first is not None and file_format.first is None:
        raise InputError(f"{path}: {file_format.suffix} files have fixed frame numbers")
    try:
        if not Path(path).is_file():
            raise FileError(f"no such track file: {path}")
        tracks = file_format.read(Path(path), footage)
        _check_agrees(tracks, footage)
    except FileError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # libraries raise anything on damaged files
        what = f"expected a {file_format.suffix} file of tracks, got a damaged or another one"
        raise InputError(f"{path}: {what} ({type(error).__name__}: {error})") from error
    return tracks


def _check_agrees(tracks: Tracks, footage: Footage) -> None:
    if footage.size is not None and tuple(footage.size) != tracks.size:
        (W, H), (w, h) = footage.size, tracks.size
        raise InputError(f"expected the size {W}x{H} as given, the file says {w}x{h}")
    if footage.fps is not None and footage.fps != tracks.fps:
        raise InputError(f"expected {footage.fps} fps as given, the file says {tracks.fps}")
