"""How long work tells what it has done."""

from collections.abc import Callable

Progress = Callable[[int], object]
"""Called with the number of frames just finished."""


def silent(frames: int) -> None:
    """Tell nobody."""
