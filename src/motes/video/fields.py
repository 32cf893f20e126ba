"""Interlaced video: a frame holds two moments, one in its even rows and one in its odd rows."""

import cv2
import numpy as np


def first_field(frame: np.ndarray) -> np.ndarray:
    """One moment of an interlaced frame: its even rows, and between them their averages.

    Every frame is treated by itself, so that frame N is the same however it is reached.

    Args:
        frame: uint8 ``[H, W, 3]``.

    Returns:
        uint8 ``[H, W, 3]``; even rows are as they were.
    """
    even = frame[::2]
    following = np.concatenate([even[1:], even[-1:]])
    still = frame.copy()
    still[1::2] = cv2.addWeighted(even, 0.5, following, 0.5, 0)[: len(frame) // 2]
    return still
