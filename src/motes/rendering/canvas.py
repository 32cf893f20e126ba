"""`Canvas`: anti-aliased strokes at sub-pixel positions, composited with a soft shadow.

OpenCV draws the strokes on a transparent layer, which has twice the resolution where the picture
is small.  The colours of the layer are premultiplied by alpha: so OpenCV's own anti-aliasing is
right for all four channels, and overlapping strokes of one trail replace each other instead of
adding up.
"""

from __future__ import annotations

import cv2
import numpy as np

from motes.rendering.text import BOLD, draw_text

SHIFT = 4  # fractional bits of the integer coordinates that OpenCV takes
MAX_COORDINATE = 8.0  # in picture sizes; larger ones are clipped, to fit into those integers
SHADOW_FLOOR = 64  # of 255, brightness that remains in the darkest shadow
SHADOW_GAIN = 1.2  # factor on the blurred alpha of the strokes
SHADOW_SIGMA = 0.0022  # of its Gaussian blur, relative to the longer side of the picture


class Canvas:
    """A transparent layer over one frame.

    Positions and widths are pixels of the video; `scale` maps them to the picture.

    Args:
        size: Width and height of the video.
        scale: Size of the picture relative to the video.
    """

    def __init__(self, size: tuple[int, int], scale: float = 1.0) -> None:
        self.scale = scale
        self.size = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        self.supersampling = 2 if max(self.size) < 1280 else 1
        W, H = self.size
        self.layer = np.zeros((H * self.supersampling, W * self.supersampling, 4), np.uint8)

    def lines(
        self,
        start: np.ndarray,
        end: np.ndarray,
        width: np.ndarray,
        color: np.ndarray,
        alpha: np.ndarray,
    ) -> None:
        """Draw round-capped line segments, the last one on top.

        Args:
            start: ``[M, 2]``.
            end: ``[M, 2]``.
            width: ``[M]``.
            color: uint8 ``[M, 3]``.
            alpha: ``[M]`` in [0, 1].
        """
        widths = (
            np.maximum(1, np.rint(width * self.scale * self.supersampling)).astype(int).tolist()
        )
        ends = zip(self._fixed_point(start), self._fixed_point(end), strict=True)
        for (a, b), w, ink in zip(ends, widths, _premultiplied(color, alpha), strict=True):
            cv2.line(self.layer, a, b, ink, w, cv2.LINE_AA, SHIFT)

    def discs(
        self, center: np.ndarray, radius: np.ndarray, color: np.ndarray, alpha: np.ndarray
    ) -> None:
        """Draw filled circles; the arguments are those of `lines`."""
        radii = np.rint(radius * self.scale * self.supersampling * 2**SHIFT).astype(int).tolist()
        for c, r, ink in zip(
            self._fixed_point(center), radii, _premultiplied(color, alpha), strict=True
        ):
            cv2.circle(self.layer, c, r, ink, cv2.FILLED, cv2.LINE_AA, SHIFT)

    def rings(
        self,
        center: np.ndarray,
        radius: np.ndarray,
        width: float,
        color: np.ndarray,
        alpha: np.ndarray,
    ) -> None:
        """Draw hollow circles of one line width; the arguments are those of `lines`."""
        line = max(1, round(width * self.scale * self.supersampling))
        radii = np.rint(radius * self.scale * self.supersampling * 2**SHIFT).astype(int).tolist()
        for c, r, ink in zip(
            self._fixed_point(center), radii, _premultiplied(color, alpha), strict=True
        ):
            cv2.circle(self.layer, c, r, ink, line, cv2.LINE_AA, SHIFT)

    def text(self, text: str, at: tuple[float, float], height: float, color: np.ndarray) -> None:
        """Draw one line of text.

        Args:
            text: One line.
            at: ``(x, y)`` of the left end of its baseline, in pixels of the video.
            height: Size of the font, in pixels of the video.
            color: uint8 ``[3]``.
        """
        ((x, y),) = self._fixed_point(np.array([at]))
        ink = (*color.tolist(), 255)
        at_layer = (x / 2**SHIFT, y / 2**SHIFT)
        draw_text(self.layer, text, at_layer, height * self.scale * self.supersampling, ink, BOLD)

    def composite(self, frame: np.ndarray) -> np.ndarray:
        """Composite the drawing, and its shadow, over a frame.

        Args:
            frame: uint8 ``[H, W, 3]`` of the video's or of the picture's size.

        Returns:
            uint8 ``[H', W', 3]`` of the picture's size.
        """
        layer = self.layer if self.supersampling == 1 else _resize(self.layer, self.size)
        alpha = layer[..., 3]
        shadow = np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(1, SHADOW_SIGMA * max(self.size))))
        light = np.maximum(255 - cv2.convertScaleAbs(shadow, alpha=SHADOW_GAIN), SHADOW_FLOOR)
        keep = cv2.multiply(255 - alpha, light, scale=1 / 255)
        under = cv2.multiply(_resize(frame, self.size), cv2.merge([keep] * 3), scale=1 / 255)
        return np.asarray(cv2.add(under, layer[..., :3]))

    def _fixed_point(self, xy: np.ndarray) -> list[tuple[int, int]]:
        """Pixels of the video to pixels of the layer, as OpenCV's fixed-point integers."""
        k = self.scale * self.supersampling
        limit = MAX_COORDINATE * max(self.size) * self.supersampling
        placed = ((xy + 0.5) * k - 0.5).clip(-limit, limit)
        return [(x, y) for x, y in np.rint(placed * 2**SHIFT).astype(int).tolist()]


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[1::-1] == size:
        return image
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method))


def _premultiplied(color: np.ndarray, alpha: np.ndarray) -> list[list[float]]:
    """RGBA in 0 .. 255 as OpenCV takes it, colours multiplied by alpha."""
    a = np.asarray(alpha, np.float32)[:, None]
    return np.concatenate([color * a, 255 * a], 1).round().tolist()
