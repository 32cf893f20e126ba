"""Small type on pictures: OpenCV's built-in sans serif, which needs no font files."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

REGULAR, BOLD = 400, 600
NO_WRAP = (0, 1 << 20)


@cache
def _face() -> cv2.FontFace:
    return cv2.FontFace("sans")


def write(
    image: np.ndarray,
    text: str,
    at: tuple[float, float],
    size: float,
    color: tuple[float, ...],
    weight: int = REGULAR,
) -> None:
    """Set one line of type on an image, in place.

    Args:
        image: uint8 ``[H, W, C]``.
        text: Any text.
        at: The left end of its baseline, in pixels.
        size: Size of the font in pixels.
        color: One number a channel.
        weight: 400 is regular, 600 is bold.
    """
    origin = (round(at[0]), round(at[1]))
    cv2.putText(image, text, origin, color, _face(), round(size), weight, wrap=NO_WRAP)


def width_of(text: str, size: float, weight: int = REGULAR) -> int:
    """How many pixels wide `write` sets the text."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _face(), round(size), weight)[2])
