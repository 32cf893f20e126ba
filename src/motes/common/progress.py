"""Progress callbacks of long operations."""

from collections.abc import Callable

Progress = Callable[[int], object]
"""Called with the number of frames just finished."""


def silent(frames: int) -> None:
    """Ignore progress."""
