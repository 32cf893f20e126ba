"""`Sink`: what every kind of output does with frames, and `Kind`, by which it is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np


class Sink(ABC):
    """Takes frames one by one; made with the path of a file or folder that does not exist yet."""

    @abstractmethod
    def write(self, frame: np.ndarray) -> None:
        """Append one frame, uint8 RGB ``[H, W, 3]`` of the size agreed on."""

    @abstractmethod
    def close(self) -> None:
        """Finish what is on disk."""


@dataclass(frozen=True)
class Kind:
    """One kind of output.

    Attributes:
        suffix: Of the file name, with its dot; empty for a folder.
        summary: One line for people.
        open: Makes the sink from a path, a size ``(W, H)`` and the frames per second.
    """

    suffix: str
    summary: str
    open: Callable[[Path, tuple[int, int], Fraction], Sink]
