"""`open_video`: frames of anything, read lazily and numbered absolutely."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from motes.errors import InputError
from motes.video.fields import first_field
from motes.video.sound import Sound
from motes.video.sources.arrays import open_array
from motes.video.sources.base import Source
from motes.video.sources.files import open_file
from motes.video.sources.images import open_images
from motes.video.sources.pipes import open_pipe
from motes.video.sources.streams import open_camera, open_iterator

OPENERS = (open_camera, open_images, open_pipe, open_file, open_array, open_iterator)
"""Each returns None for sources of other kinds; they are tried in this order."""


class Video:
    """Frames `start` to `end` of a source; made by `open_video`.

    Iterating gives uint8 RGB ``[H, W, 3]`` frames one by one, upright, any number of times
    (an iterator or a camera only once).  Frames keep their numbers of the source: the first one
    is number `start`.

    Attributes:
        start: Number of the first frame.
        end: Number after the last frame; None: to the end of the source.
        deinterlace: Whether only the first field of each frame is shown.

    Example:
        >>> with motes.open_video("bike.mp4") as video:
        ...     means = [frame.mean() for frame in video]
        >>> len(means), video.fps, video.num_frames
        (12, Fraction(25, 1), 12)
    """

    def __init__(
        self,
        source: Source,
        start: int = 0,
        end: int | None = None,
        deinterlace: bool = False,
    ) -> None:
        _check_range(source, start, end)
        self.start, self.end, self.deinterlace = start, end, deinterlace
        self._source = source
        self._ahead: tuple[int, Iterator[np.ndarray]] = (-1, iter(()))

    @property
    def name(self) -> str:
        """Name of the source, for messages."""
        return self._source.name

    @property
    def size(self) -> tuple[int, int]:
        """``(W, H)`` in pixels, upright."""
        return self._source.size

    @property
    def fps(self) -> Fraction:
        """Frames per second, exact; the average where the rate varies, 25 where there is none."""
        return self._source.fps

    @property
    def num_frames(self) -> int | None:
        """Number of frames from `start` to `end`; None, if it is known only after reading them."""
        total = self._source.num_frames
        if total is None:
            return None
        return max(0, min(total, total if self.end is None else self.end) - self.start)

    @property
    def times(self) -> np.ndarray | None:
        """float64 ``[num_frames]``: seconds from frame 0 of the source to each frame.

        None where the rate is steady, or the times are not known before all frames are read.
        """
        times = self._source.times
        return None if times is None else times[self.start : self.end]

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel divided by its height, as players show it; 1 for square pixels."""
        return self._source.pixel_aspect

    @property
    def sound(self) -> Sound | None:
        """Sound during these frames; None: the source has none, or is not a file."""
        return self._source.sound(self.start, self.end)

    @property
    def once(self) -> bool:
        """Whether frames can be read only once: a camera, a pipe or an iterator."""
        return self._source.once

    @property
    def problem(self) -> str | None:
        """After all frames are read: why frames are missing, or which are damaged; None: none."""
        return self._source.problem

    @property
    def files(self) -> Sequence[Path]:
        """The local files of the source; outputs must be other files."""
        return self._source.files

    def __repr__(self) -> str:
        W, H = self.size
        return f"Video({self.name!r}, {W}x{H}, {self.fps} fps, from frame {self.start})"

    def __len__(self) -> int:
        if (count := self.num_frames) is None:
            raise TypeError(f"{self.name}: its length is known only when all frames have been read")
        return count

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int | slice) -> np.ndarray:
        """Read frame ``video[3]``, or frames ``video[3:9]``, counted from `start`.

        Returns:
            uint8 ``[H, W, 3]``; ``[n, H, W, 3]`` for a slice.

        Raises:
            IndexError: There is no such frame.
            InputError: The slice has a step, or the frames are gone.
        """
        if isinstance(index, slice):
            return self._slice(index)
        number = index + len(self) if index < 0 else index
        wanted = self.start + number
        frames = list(self.read(wanted, wanted + 1)) if number >= 0 else []
        if not frames:
            raise IndexError(f"{self.name}: no frame {index}")
        return frames[0]

    def _slice(self, index: slice) -> np.ndarray:
        if index.step not in (None, 1):
            raise InputError(f"{self.name}: expected a slice of step 1, got {index}")
        first, stop, _ = index.indices(len(self))
        return self.read(self.start + first, self.start + max(first, stop))

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file or camera that is open for consecutive reads; it can be read again.

        Example:
            >>> video = motes.open_video("bike.mp4")
            >>> first = video[0]
            >>> video.close()
        """
        if isinstance(frames := self._ahead[1], Generator):
            frames.close()
        self._ahead = (-1, iter(()))

    def __iter__(self) -> Iterator[np.ndarray]:
        count = None if self.end is None else self.end - self.start
        return islice(self._frames(self.start), count)

    def _frames(self, start: int) -> Iterator[np.ndarray]:
        frames = self._source.frames(start)
        return map(first_field, frames) if self.deinterlace else frames

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames ``start .. stop - 1``, in any order of calls.

        Calls for consecutive frames continue decoding; others start at the keyframe before.  After
        the first call, the frames of an iterator are kept in memory.

        Args:
            start: Number of the first frame, counted in the source.
            stop: Number after the last.

        Returns:
            uint8 ``[n, H, W, 3]``; n is less than ``stop - start`` only where the video ends.

        Raises:
            InputError: The range runs backwards or begins before the video, or the frames are gone.

        Example:
            >>> motes.open_video("bike.mp4").read(3, 6).shape
            (3, 72, 96, 3)
        """
        if not self.start <= start <= stop:
            expected = f"{self.start} <= start <= stop"
            raise InputError(f"{self.name}: expected {expected}, got {start} and {stop}")
        stop = stop if self.end is None else min(stop, self.end)
        self._source.remember(start, stop)
        position, frames = self._ahead
        frames = frames if position == start else self._frames(start)
        W, H = self.size
        picture = np.dtype((np.uint8, (H, W, 3)))
        chunk = np.fromiter(islice(frames, max(stop - start, 0)), picture)
        self._ahead = (start + len(chunk), frames)
        return chunk

    def forget(self) -> None:
        """Release the frames of an iterator during the next pass, which is then the last one.

        Example:
            >>> video = motes.open_video(iter(np.zeros((5, 72, 96, 3), np.uint8)))
            >>> video.forget()
            >>> sum(1 for frame in video)
            5
        """
        self._source.forget()


def open_video(
    source: Any, *, start: int = 0, end: int | None = None, deinterlace: bool = False
) -> Video:
    """Open a source of frames; frames are read only when they are needed.

    Args:
        source: A path (video file, GIF, image or stack of images, folder, glob,
            ``shot.%04d.png``, ``shot.####.exr``), a list of paths of images, a URL that PyAV opens,
            the bytes of a file, an open binary file, ``"-"`` for standard input, the number of a
            camera or a `cv2.VideoCapture`, an array ``[T, H, W, 3]`` or ``[T, H, W]``, a tensor
            ``[T, 3, H, W]`` (uint8, bool, float in [0, 1], or deeper whole numbers, which are
            scaled by the range of the sequence), an iterator of frames (arrays, tensors, PIL
            images, frames of PyAV), or a `Video`.  Folders and globs are in natural order;
            transparent parts come on black.
        start: Number of the first frame wanted.
        end: Number after the last one; None: all.  A video may end before.
        deinterlace: Whether to show only the first field of interlaced frames: rows between its
            rows are interpolated, so that a frame holds one moment.

    Returns:
        The `Video`.

    Raises:
        FileError: There is no such file, or nothing in it that can be read as a video.
        InputError: The source, its shape or its type is none of the above, or `start` and `end`
            do not fit.

    Example:
        >>> video = motes.open_video("bike.mp4", start=2, end=8)
        >>> video.size, video.fps, len(video)
        ((96, 72), Fraction(25, 1), 6)
        >>> video[0].shape, video[1:4].shape
        ((72, 96, 3), (3, 72, 96, 3))
        >>> sum(1 for frame in motes.open_video(np.zeros((5, 72, 96, 3), np.uint8)))
        5
    """
    if isinstance(source, Video):
        ends = [e for e in (end, source.end) if e is not None]
        deinterlace = deinterlace or source.deinterlace
        return Video(source._source, max(start, source.start), min(ends, default=None), deinterlace)
    for opener in OPENERS:
        if (opened := opener(source)) is not None:
            return Video(opened, start, end, deinterlace)
    raise InputError(
        "video: expected a path, a URL, a camera number, an array, a tensor or an iterator of "
        f"frames, got {type(source).__name__}"
    )


def _check_range(source: Source, start: int, end: int | None) -> None:
    if start < 0:
        raise InputError(f"start: expected a frame number from 0 on, got {start}")
    if end is not None and not start < end <= sys.maxsize:
        raise InputError(f"end: expected a frame number after start ({start}), got {end}")
    total = source.num_frames if start else None
    if total is not None and start >= total:
        raise InputError(f"start: expected a frame in 0..{total - 1} of {source.name}, got {start}")
