"""`Sink`: what every kind of output does with frames, and `Kind`, by which it is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from motes.video.sound import Sound

FINE_TICK = Fraction(1, 90000)
"""Seconds; unit of the times of frames whose rate varies, as in MPEG."""


class Sink(ABC):
    """Takes frames one by one; made with the path of a file or folder that does not exist yet."""

    @abstractmethod
    def write(self, frame: np.ndarray) -> None:
        """Append one frame, uint8 RGB ``[H, W, 3]`` of the size agreed on."""

    @abstractmethod
    def close(self) -> None:
        """Finish what is on disk."""


@dataclass(frozen=True)
class Plan:
    """What a sink knows before the first frame.

    Attributes:
        size: ``(W, H)`` in pixels.
        fps: Frames per second; the average where the rate varies.
        times: float64 ``[T]``, ascending, when each frame is shown; None: at a steady rate.
        pixel_aspect: Width of a pixel divided by its height.
        sound: What is heard; None: silence.
    """

    size: tuple[int, int]
    fps: Fraction
    times: np.ndarray | None = None
    pixel_aspect: Fraction = Fraction(1)
    sound: Sound | None = None

    @property
    def tick(self) -> Fraction:
        """Seconds a tick, in which `ticks` counts."""
        return 1 / self.fps if self.times is None else FINE_TICK

    def seconds(self, number: int) -> Fraction:
        """When a frame, counted from 0, is shown; frames beyond `times` at the average rate."""
        if self.times is None:
            return number / self.fps
        last = min(number, len(self.times) - 1)
        since = Fraction(float(self.times[last] - self.times[0]))
        return since + (number - last) / self.fps

    def ticks(self, number: int) -> int:
        """The same in ticks."""
        return round(self.seconds(number) / self.tick)


@dataclass(frozen=True)
class Kind:
    """One kind of output.

    Attributes:
        suffix: Of the file name, with its dot; empty for a folder.
        summary: One line for people.
        open: Makes the sink from a path and a plan.
    """

    suffix: str
    summary: str
    open: Callable[[Path, Plan], Sink]
