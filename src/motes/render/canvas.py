"""`Canvas`: anti-aliased strokes in sub-pixel positions, laid over footage with a soft shadow.

OpenCV draws the strokes on a transparent layer, twice as large where the picture is small.  The
layer's colours are premultiplied, so that OpenCV's own blending of edges is right for all four
channels, and strokes of one trail replace each other instead of adding up at the joints.
"""

from __future__ import annotations

import cv2
import numpy as np

from motes.render.lettering import BOLD, write

SHIFT = 4  # OpenCV reads coordinates as integers with this many fractional bits
FAR = 8.0  # coordinates beyond this many picture sizes are cut, to stay within those integers
DARKEST = 64  # of 255, light that the shadow leaves under a stroke
SHADOW_GAIN = 1.2  # how soon a stroke's blurred shape is that dark
BLUR = 0.0022  # of the shadow, relative to the picture's longer side


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
        self.fine = 2 if max(self.size) < 1280 else 1
        W, H = self.size
        self.layer = np.zeros((H * self.fine, W * self.fine, 4), np.uint8)

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
        widths = np.maximum(1, np.rint(width * self.scale * self.fine)).astype(int).tolist()
        ends = zip(self._fixed(start), self._fixed(end), strict=True)
        for (a, b), w, ink in zip(ends, widths, _ink(color, alpha), strict=True):
            cv2.line(self.layer, a, b, ink, w, cv2.LINE_AA, SHIFT)

    def discs(
        self, center: np.ndarray, radius: np.ndarray, color: np.ndarray, alpha: np.ndarray
    ) -> None:
        """Draw filled circles; the arguments are those of `lines`."""
        radii = np.rint(radius * self.scale * self.fine * 2**SHIFT).astype(int).tolist()
        for c, r, ink in zip(self._fixed(center), radii, _ink(color, alpha), strict=True):
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
        line = max(1, round(width * self.scale * self.fine))
        radii = np.rint(radius * self.scale * self.fine * 2**SHIFT).astype(int).tolist()
        for c, r, ink in zip(self._fixed(center), radii, _ink(color, alpha), strict=True):
            cv2.circle(self.layer, c, r, ink, line, cv2.LINE_AA, SHIFT)

    def text(self, text: str, at: tuple[float, float], height: float, color: np.ndarray) -> None:
        """Write beside a point.

        Args:
            text: One line.
            at: The left end of its baseline, in pixels of the video.
            height: Size of the font, in pixels of the video.
            color: uint8 ``[3]``.
        """
        ((x, y),) = self._fixed(np.array([at]))
        ink = (*color.tolist(), 255)
        at_layer = (x / 2**SHIFT, y / 2**SHIFT)
        write(self.layer, text, at_layer, height * self.scale * self.fine, ink, BOLD)

    def over(self, frame: np.ndarray) -> np.ndarray:
        """Lay the drawing, and its shadow, over a frame.

        Args:
            frame: uint8 ``[H, W, 3]`` of the video's or of the picture's size.

        Returns:
            uint8 ``[H', W', 3]`` of the picture's size.
        """
        layer = self.layer if self.fine == 1 else _resize(self.layer, self.size)
        alpha = layer[..., 3]
        shadow = np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(1, BLUR * max(self.size))))
        light = np.maximum(255 - cv2.convertScaleAbs(shadow, alpha=SHADOW_GAIN), DARKEST)
        keep = cv2.multiply(255 - alpha, light, scale=1 / 255)
        under = cv2.multiply(_resize(frame, self.size), cv2.merge([keep] * 3), scale=1 / 255)
        return np.asarray(cv2.add(under, layer[..., :3]))

    def _fixed(self, xy: np.ndarray) -> list[tuple[int, int]]:
        """Centres of pixels of the video to OpenCV's fixed-point numbers on the layer."""
        k = self.scale * self.fine
        reach = FAR * max(self.size) * self.fine
        placed = ((xy + 0.5) * k - 0.5).clip(-reach, reach)
        return [(x, y) for x, y in np.rint(placed * 2**SHIFT).astype(int).tolist()]


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[1::-1] == size:
        return image
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method))


def _ink(color: np.ndarray, alpha: np.ndarray) -> list[list[float]]:
    """Premultiplied RGBA, as OpenCV wants its colours."""
    a = np.asarray(alpha, np.float32)[:, None]
    return np.concatenate([color * a, 255 * a], 1).round().tolist()
