"""Track files: one format a file of this package, chosen by suffix.

A module offers a `Format`; the registry finds it.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from itertools import chain, islice
from os import PathLike
from pathlib import Path

from motes.common.files import check_writable, replacing
from motes.common.registry import discover
from motes.errors import FileError, InputError, MissingExtraError
from motes.export.base import Format
from motes.tracks import Tracks, consecutive


def formats() -> dict[str, Format]:
    """Every format, by its suffix such as ``".csv"``."""
    return {f.suffix: f for f in discover("motes.export", Format)}


def find_format(path: str | PathLike[str]) -> Format:
    """The format of a file name.

    Raises:
        InputError: No format has this suffix.
        MissingExtraError: What the format needs is not installed.
    """
    known = formats()
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        raise InputError(
            f"{path}: expected a track file with one of the suffixes {' '.join(sorted(known))}, "
            f"got {suffix or 'none'!r}"
        )
    found = known[suffix]
    if found.module and not find_spec(found.module):
        raise MissingExtraError(f"The format {suffix}", suffix[1:])
    return found


def check_output(path: str | PathLike[str]) -> None:
    """Make sure that tracks could be written here, before any work is done.

    Raises:
        InputError: No format writes this suffix.
        MissingExtraError: What the format needs is not installed.
        FileError: It cannot be written; see `check_writable`.
    """
    find_format(path)
    check_writable(path)


def save(tracks: Tracks, path: str | PathLike[str]) -> None:
    """Write tracks to a file, whole or not at all.

    Raises:
        InputError: No format writes this suffix.
        MissingExtraError: What the format needs is not installed.
        FileError: The file cannot be written.
    """
    check_output(path)
    with replacing(path) as temporary:
        find_format(path).write(tracks, temporary)


def save_parts(parts: Iterable[Tracks], path: str | PathLike[str]) -> None:
    """Write consecutive stretches of frames to one file, such as those of a `Recording`.

    Formats with `Format.write_parts` take them one by one, in memory that does not grow; for the
    others they are joined first.

    Args:
        parts: At least one; see `Tracks.concat_frames`.
        path: The suffix chooses the format.

    Raises:
        InputError: As `save`; or the parts are not stretches of the same tracks.
        MissingExtraError: What the format needs is not installed.
        FileError: The file cannot be written.
    """
    check_output(path)
    write, parts = find_format(path).write_parts, iter(parts)
    first = list(islice(parts, 1))
    parts = chain(first, parts)
    if write is None or not any(map(len, first)):  # without points there are no rows
        save(Tracks.concat_frames(list(parts)), path)
        return
    with replacing(path) as temporary:
        write(consecutive(parts), temporary)


def load(path: str | PathLike[str]) -> Tracks:
    """Read tracks from a file.

    Raises:
        InputError: No format reads this suffix, or the content does not fit.
        MissingExtraError: What the format needs is not installed.
        FileError: The file does not exist or cannot be read.
    """
    read = find_format(path).read
    if read is None:
        raise InputError(f"{path}: this format can be written, but not read back")
    try:
        if not Path(path).is_file():
            raise FileError(f"no such track file: {path}")
        return read(Path(path))
    except FileError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # libraries raise anything on damaged files
        what = f"expected a {Path(path).suffix} file of tracks, got a damaged or another one"
        raise InputError(f"{path}: {what} ({type(error).__name__}: {error})") from error
