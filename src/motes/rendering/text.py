"""Text on pictures in the sans-serif font that OpenCV contains; no font files are needed."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

REGULAR, BOLD = 400, 600
NO_WRAP = (0, 1 << 20)


@cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


def draw_text(
    image: np.ndarray,
    text: str,
    at: tuple[float, float],
    size: float,
    color: tuple[float, ...],
    weight: int = REGULAR,
) -> None:
    """Draw one line of text on an image, in place.

    Args:
        image: uint8 ``[H, W, C]``.
        text: Any text.
        at: ``(x, y)`` of the left end of its baseline, in pixels.
        size: Size of the font in pixels.
        color: One number a channel.
        weight: 400 is regular, 600 is bold.
    """
    origin = (round(at[0]), round(at[1]))
    cv2.putText(image, text, origin, color, _font(), round(size), weight, wrap=NO_WRAP)


def text_width(text: str, size: float, weight: int = REGULAR) -> int:
    """Width in pixels of the text that `draw_text` draws."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _font(), round(size), weight)[2])
