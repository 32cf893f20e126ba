"""What lies under the tracks: the footage as it is, or quieter."""

from __future__ import annotations

import cv2
import numpy as np

BACKGROUNDS = {
    "normal": "the footage as it is",
    "dim": "the footage darkened, so that the trails shine",
    "mono": "the footage in quiet grey, so that all colour is the trails'",
}
DIM = 0.45
MONO_RANGE = (18, 190)  # black and white of the footage become these greys


def prepare(frame: np.ndarray, background: str) -> np.ndarray:
    """Make a frame ready to be drawn over.

    Args:
        frame: uint8 ``[H, W, 3]``, RGB.
        background: A key of `BACKGROUNDS`.

    Returns:
        uint8 ``[H, W, 3]``; the frame itself for ``"normal"``.
    """
    if background == "dim":
        return cv2.convertScaleAbs(frame, alpha=DIM)
    if background == "mono":
        black, white = MONO_RANGE
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        quiet = cv2.convertScaleAbs(grey, alpha=(white - black) / 255, beta=black)
        return cv2.cvtColor(quiet, cv2.COLOR_GRAY2RGB)
    return frame
