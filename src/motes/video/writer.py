"""`open_writer`: frames to a file or a folder, which appears only when it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from numbers import Rational
from pathlib import Path

import av
import numpy as np

from motes.common.files import check_writable, replacing
from motes.common.registry import discover
from motes.errors import FileError, InputError
from motes.video.reader import Video
from motes.video.sinks.base import Kind, Plan, Sink

LARGEST_DENOMINATOR = 1_000_000
"""Of a frame rate: 30000/1001 stays exact, and the float 29.97 becomes 2997/100."""


class Writer:
    """Writes the frames of one output; made by `open_writer`.

    Example:
        >>> with motes.open_writer("half.mp4", size=(48, 36), fps=25) as writer:
        ...     for frame in motes.open_video("bike.mp4"):
        ...         writer.write(frame[::2, ::2])
        >>> writer.count
        12
    """

    def __init__(self, sink: Sink, path: Path, size: tuple[int, int]) -> None:
        self.path, self.size = path, size
        self.count = 0
        self._sink = sink

    def write(self, frame: np.ndarray) -> None:
        """Append a frame.

        Args:
            frame: uint8 RGB ``[H, W, 3]`` of the size of this output.

        Raises:
            InputError: The frame has another shape or type.
            FileError: The frame cannot be written, for example because the disk is full.

        Example:
            >>> with motes.open_writer("black.gif", size=(96, 72), fps=10) as writer:
            ...     writer.write(np.zeros((72, 96, 3), np.uint8))
        """
        W, H = self.size
        if frame.shape != (H, W, 3) or frame.dtype != np.uint8:
            got = f"{frame.dtype} {list(frame.shape)}"
            raise InputError(f"{self.path}: expected a uint8 frame {[H, W, 3]}, got {got}")
        with _file_errors(self.path):
            self._sink.write(frame)
        self.count += 1


def open_writer(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    fps: Rational | float,
    *,
    like: Video | None = None,
) -> AbstractContextManager[Writer]:
    """Open an output for frames.

    It is written under a temporary name, and renamed when the ``with`` block ends without an error;
    otherwise it is removed, and an existing file stays.

    Args:
        path: By its suffix ``.mp4``, ``.mov``, ``.mkv`` (H.264), ``.webm`` (VP9; in all four odd
            sizes get one more row or column) or ``.gif``; a folder of PNG images where there is no
            suffix, or a slash at the end.
        size: ``(W, H)`` in pixels.
        fps: Frames per second; kept exact.
        like: The video whose edited frames are written, from its first frame on: the output gets
            its times, if its rate varies, its pixel aspect ratio, and a copy of its sound.

    Returns:
        A context manager that gives the `Writer`.

    Raises:
        InputError: Nothing writes this suffix, `size` or `fps` is not positive, or the block ended
            without a frame.
        FileError: The folder does not exist, or the file cannot be written.

    Example:
        >>> with motes.open_writer("grey.mp4", size=(96, 72), fps=25) as writer:
        ...     for value in range(5):
        ...         writer.write(np.full((72, 96, 3), 50 * value, np.uint8))
        >>> len(motes.open_video("grey.mp4"))
        5
    """
    check_output(path)
    if min(size) < 1 or fps <= 0:
        raise InputError(f"{path}: expected a positive size and frame rate, got {size} and {fps}")
    rate = Fraction(fps).limit_denominator(LARGEST_DENOMINATOR)
    plan = Plan(size, rate)
    if like is not None:
        plan = Plan(size, rate, like.times, like.pixel_aspect, like.sound)
    return _writing(_kind(path), Path(path).expanduser(), plan)


def check_output(path: str | os.PathLike[str]) -> None:
    """Check an output path before any work is done; raises what `open_writer` would raise.

    Raises:
        InputError: Nothing writes this suffix.
        FileError: Its folder does not exist or cannot be written to, or something is in the way.

    Example:
        >>> from motes.video import check_output
        >>> check_output("out.mp4")
        >>> check_output("out.txt")
        Traceback (most recent call last):
        motes.errors.InputError: out.txt: expected ..., got .txt
    """
    folder = _kind(path).suffix == ""
    place = Path(path).expanduser()
    check_writable(place, folder=folder)
    if folder and place.is_dir() and any(place.iterdir()):
        raise FileError(f"{path}: expected a new or an empty folder, found one with content")


def writer_suffixes() -> tuple[str, ...]:
    """The suffixes that `open_writer` knows; the empty one is a folder of images.

    Example:
        >>> from motes.video import writer_suffixes
        >>> ".mp4" in writer_suffixes()
        True
    """
    return tuple(kind.suffix for kind in discover("motes.video.sinks", Kind))


@contextmanager
def _writing(kind: Kind, path: Path, plan: Plan) -> Iterator[Writer]:
    with replacing(path) as temporary:
        with _file_errors(path):
            sink = kind.open(temporary, plan)
        try:
            writer = Writer(sink, path, plan.size)
            yield writer
        except BaseException:
            with suppress(av.FFmpegError, OSError):
                sink.close()
            raise
        with _file_errors(path):
            sink.close()
            _check_any(writer)


def _kind(path: str | os.PathLike[str]) -> Kind:
    place = Path(path).expanduser()
    is_folder = str(path).endswith(("/", os.sep)) or place.is_dir()
    suffix = "" if is_folder else place.suffix.lower()
    kinds = discover("motes.video.sinks", Kind)
    found = next((kind for kind in kinds if kind.suffix == suffix), None)
    if found is None:
        known = ", ".join(kind.suffix or "a folder" for kind in kinds)
        raise InputError(f"{path}: expected {known}, got {suffix}")
    return found


def _check_any(writer: Writer) -> None:
    if writer.count == 0:
        raise InputError(f"{writer.path}: expected at least one frame, got none")


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """What the system or FFmpeg says, as our error that names the output."""
    try:
        yield
    except (FileError, InputError):
        raise
    except (av.FFmpegError, OSError) as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
