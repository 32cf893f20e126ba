"""Backgrounds under the tracks: the frame unchanged, darkened, or in grey of low contrast."""

from __future__ import annotations

import cv2
import numpy as np

BACKGROUNDS = {
    "normal": "the frame, unchanged",
    "dim": "the frame, darkened, so that the trails stand out",
    "mono": "the frame in grey of low contrast, so that only the tracks have colour",
}
DIM_GAIN = 0.45
MONO_RANGE = (18, 190)  # grey values that black and white are mapped to


def prepare(frame: np.ndarray, background: str) -> np.ndarray:
    """Turn a frame into the background of its drawing.

    Args:
        frame: uint8 ``[H, W, 3]``, RGB.
        background: A key of `BACKGROUNDS`.

    Returns:
        uint8 ``[H, W, 3]``; the frame itself for ``"normal"``.
    """
    if background == "dim":
        return cv2.convertScaleAbs(frame, alpha=DIM_GAIN)
    if background == "mono":
        black, white = MONO_RANGE
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        reduced = cv2.convertScaleAbs(grey, alpha=(white - black) / 255, beta=black)
        return cv2.cvtColor(reduced, cv2.COLOR_GRAY2RGB)
    return frame
