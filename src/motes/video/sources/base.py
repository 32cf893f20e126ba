"""`Source`: the interface of every kind of source, which `Video` uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from motes.errors import InputError
from motes.tracks import DEFAULT_FPS
from motes.video.sound import Sound


class Source(ABC):
    """Numbered frames of one size.

    Attributes:
        name: For messages.
        size: ``(W, H)`` in pixels.
        fps: Frames per second, exact; the average where the rate varies.
        times: float64 ``[T]``, seconds after the first frame; None where the rate is steady, or
            nothing is known.
        pixel_aspect: Width of a pixel divided by its height, as players show it.
        problem: Why fewer frames came than were announced, or which are damaged; None as long as
            nothing is known.
        once: Whether frames pass only once.
        files: The local files that are read; outputs must not overwrite them.
    """

    name: str
    size: tuple[int, int]
    fps: Fraction = DEFAULT_FPS
    times: np.ndarray | None = None
    pixel_aspect: Fraction = Fraction(1)
    problem: str | None = None
    once: bool = False
    files: Sequence[Path] = ()

    @property
    @abstractmethod
    def num_frames(self) -> int | None:
        """How many frames there are; None, if it is known only after reading them."""

    @abstractmethod
    def frames(self, start: int) -> Iterator[np.ndarray]:
        """Frames `start`, `start` + 1, ... to the end: uint8 RGB ``[H, W, 3]``.

        Raises:
            InputError: A frame is of another size, or cannot be had any more.
        """

    def remember(self, start: int, stop: int) -> None:  # noqa: B027 - not abstract: most need not
        """Called before ``start .. stop - 1`` are read out of order: frames may be wanted again."""

    def forget(self) -> None:  # noqa: B027 - not abstract: most hold nothing
        """Called before the last pass: a frame that has passed in it is not wanted again."""

    def sound(self, start: int, end: int | None) -> Sound | None:
        """What is heard during frames ``start .. end - 1``; None: nothing that can be copied."""
        return None

    def checked(self, frame: np.ndarray, number: int) -> np.ndarray:
        """The frame itself, if it is of the size of the video."""
        H, W, _ = frame.shape
        if self.size != (W, H):
            expected = "{}x{}".format(*self.size)
            raise InputError(f"{self.name}: frame {number}: expected {expected}, got {W}x{H}")
        return frame


def size_of(frame: np.ndarray) -> tuple[int, int]:
    """``(W, H)`` of a frame."""
    return frame.shape[1], frame.shape[0]
