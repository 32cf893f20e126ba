"""Resize frames as TAP-Vid does: Lanczos with three lobes, widened when the frame is reduced.

This is the filter of Pillow, which TAP-Vid's loader uses; the results agree within one grey level.
"""

from functools import cache

import numpy as np

from motes.coordinates import from_corner, to_corner

LOBES = 3


def resize(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a frame.

    Args:
        frame: uint8 ``[H, W, 3]``.
        size: ``(W, H)`` of the result.

    Returns:
        uint8 ``[H, W, 3]``; `frame` itself if it has this size.
    """
    H, W, _ = frame.shape
    if size == (W, H):
        return frame
    narrow = to_bytes(np.matmul(weights(W, size[0]), frame.astype(np.float32)))
    return to_bytes(np.tensordot(weights(H, size[1]), narrow.astype(np.float32), 1))


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Round and clip to uint8, as Pillow does after each of the two passes."""
    return values.round().clip(0, 255).astype(np.uint8)


@cache
def weights(source: int, target: int) -> np.ndarray:
    """Weights float32 ``[target, source]`` of old samples in new samples; each row sums to 1.

    The outer edges of the two images coincide.
    """
    scale = source / target
    width = max(scale, 1.0)
    centres = from_corner(to_corner(np.arange(target)[:, None]) * scale)
    x = (np.arange(source) - centres) / width
    kernel = np.where(np.abs(x) < LOBES, np.sinc(x) * np.sinc(x / LOBES), 0)
    return (kernel / kernel.sum(1, keepdims=True)).astype(np.float32)
