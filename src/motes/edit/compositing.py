"""Layers over frames: premultiplied RGBA, blending, motion blur and shading."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from motes.edit.surface import Surface, Window

MAX_SAMPLES = 12
"""Pictures that are averaged for motion blur, at most."""

SHADING_SIGMA = 10.0
"""Of the low-pass filter that separates shading from texture, in pixels."""

SHADING_RANGE = (0.4, 2.5)
"""Smallest and largest change of brightness that is carried over."""

BLENDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "normal": lambda below, above: above,
    "multiply": lambda below, above: below * above,
    "screen": lambda below, above: 1 - (1 - below) * (1 - above),
    "add": lambda below, above: np.minimum(below + above, 1),
}
"""Functions of two colours in [0, 1], of the frame and of the layer."""


def premultiplied(rgba: np.ndarray) -> np.ndarray:
    """Uint8 RGBA ``[h, w, 4]`` with straight alpha to float32 with premultiplied alpha."""
    layer = rgba.astype(np.float32) / 255
    layer[..., :3] *= layer[..., 3:]
    return layer


def sample(layer: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """A float32 layer ``[h, w, C]`` at pixel positions ``[h', w', 2]``; zero outside."""
    x, y = np.moveaxis(positions.astype(np.float32), -1, 0)
    return cv2.remap(
        layer,
        np.ascontiguousarray(x),
        np.ascontiguousarray(y),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )


def over(frame: np.ndarray, window: Window, layer: np.ndarray, blend: str = "normal") -> np.ndarray:
    """Composite a layer over a window of a frame.

    Args:
        frame: uint8 ``[H, W, 3]``; it is not changed.
        window: Rows and columns of the layer.
        layer: float32 ``[h, w, 4]``, premultiplied.
        blend: A key of `BLENDS`.

    Returns:
        uint8 ``[H, W, 3]``.
    """
    below = frame[window].astype(np.float32) / 255
    alpha = layer[..., 3:]
    if blend == "normal":
        mixed = layer[..., :3] + (1 - alpha) * below
    else:
        color = layer[..., :3] / np.maximum(alpha, 1e-6)
        mixed = alpha * BLENDS[blend](below, color) + (1 - alpha) * below
    result = frame.copy()
    result[window] = np.rint(mixed.clip(0, 1) * 255).astype(np.uint8)
    return result


def smeared(
    surface: Surface,
    column: int,
    window: Window,
    shutter: float,
    picture: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """A picture on a surface, averaged over the exposure of a frame.

    Args:
        surface: What the picture sticks to.
        column: Index of the frame in the tracks of the surface.
        window: Rows and columns of the frame.
        shutter: Length of the exposure, in frames; 0 for none.
        picture: From positions in the reference frame ``[h, w, 2]`` to a layer ``[h, w, 4]``.

    Returns:
        float32 ``[h, w, 4]``.
    """
    now = surface.source(column, window)
    if shutter <= 0:
        return picture(now)
    last = surface.tracks.num_frames - 1
    before = surface.source(max(column - 1, 0), window)
    after = surface.source(min(column + 1, last), window)
    length = shutter / 2 * max(float(np.abs(other - now).max()) for other in (before, after))
    count = int(np.clip(np.ceil(2 * length), 1, MAX_SAMPLES))
    total = np.zeros((), np.float32)
    for time in shutter * ((np.arange(count) + 0.5) / count - 0.5):
        other = after if time > 0 else before
        total = total + picture(now + abs(time) * (other - now))
    return total / count


def shading(frame: np.ndarray, reference: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How much brighter each pixel of a surface is than in the reference frame.

    Args:
        frame: uint8 ``[h, w, 3]``, a window of a frame.
        reference: float32 ``[h, w, 3]`` in 0 .. 255, the reference frame carried to this window.
        weight: float32 ``[h, w]``, where both show the surface.

    Returns:
        float32 ``[h, w, 3]``, factors; 1 where the surface is not seen.
    """
    both = (frame.astype(np.float32), reference)
    now, then = (_low_pass(picture * weight[..., None]) + 0.5 for picture in both)
    return (now / then).clip(*SHADING_RANGE)


def _low_pass(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), SHADING_SIGMA, borderType=cv2.BORDER_REPLICATE)
