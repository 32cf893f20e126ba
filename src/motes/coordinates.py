"""Conversion of positions: to the resolution of a model and back, and to other programs and back.

Positions in motes are pixels of the original video, x right, y down, whole numbers at pixel
centres: (0, 0) is the centre of the top-left pixel and the picture covers -0.5 .. W - 0.5.
`Resize` maps them to the pixels of a model, a `Convention` to the coordinates of another program.
No other module adds or subtracts half a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from motes.errors import InputError

if TYPE_CHECKING:
    import torch

Map = Callable[[Any, Any, int, int], tuple[Any, Any]]
"""From (x, y, W, H) to the converted (x, y)."""


def inside(xy: Any, size: tuple[int, int]) -> Any:
    """Whether positions lie in a picture.

    Args:
        xy: Array or tensor ``[..., 2]``, pixels.
        size: Width and height.

    Returns:
        Bool ``[...]``; the edges of the picture are inside.

    Example:
        >>> from motes.coordinates import inside
        >>> inside(np.array([[0, 0], [95.5, 71.5], [96, 10]]), size=(96, 72)).tolist()
        [True, True, False]
    """
    W, H = size
    x, y = xy[..., 0], xy[..., 1]
    return (x >= -0.5) & (x <= W - 0.5) & (y >= -0.5) & (y <= H - 0.5)


def to_corner(xy: Any) -> Any:
    """Move the origin to the outer corner of the first pixel, whose centre is then 0.5.

    Args:
        xy: Array or tensor of any shape, pixels.

    Example:
        >>> from motes.coordinates import to_corner
        >>> to_corner(np.array([0, 95])).tolist()
        [0.5, 95.5]
    """
    return xy + 0.5


def from_corner(xy: Any) -> Any:
    """The inverse of `to_corner`.

    Example:
        >>> from motes.coordinates import from_corner
        >>> from_corner(np.array([0.5, 95.5])).tolist()
        [0.0, 95.0]
    """
    return xy - 0.5


@dataclass(frozen=True)
class Convention:
    """Coordinates of another program in a picture of W x H pixels.

    Attributes:
        summary: One sentence for the documentation.
        forward: From pixels of motes.
        backward: The inverse of `forward`.

    Example:
        >>> from motes.coordinates import CENTRE_UP
        >>> CENTRE_UP.from_pixels(np.array([0, 0]), size=(96, 72)).tolist()
        [0.0, 71.0]
        >>> CENTRE_UP.to_pixels(np.array([0, 71]), size=(96, 72)).tolist()
        [0.0, 0.0]
    """

    summary: str
    forward: Map
    backward: Map

    def from_pixels(self, xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Convert positions of motes.

        Args:
            xy: ``[..., 2]``, pixels.
            size: Width and height of the video.

        Returns:
            float64 ``[..., 2]``, coordinates of the other program.
        """
        return _apply(self.forward, xy, size)

    def to_pixels(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The inverse of `from_pixels` (float64)."""
        return _apply(self.backward, points, size)


def _apply(convert: Map, xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    xy = np.asarray(xy, np.float64)
    return np.stack(convert(xy[..., 0], xy[..., 1], *size), -1)


CENTRE_DOWN = Convention(
    "pixels, y down, (0, 0) is the centre of the top-left pixel",
    lambda x, y, W, H: (x, y),
    lambda x, y, W, H: (x, y),
)

CENTRE_UP = Convention(
    "pixels, y up, (0, 0) is the centre of the bottom-left pixel",
    lambda x, y, W, H: (x, H - 1 - y),
    lambda x, y, W, H: (x, H - 1 - y),
)

CORNER_DOWN = Convention(
    "pixels, y down, (0, 0) is the outer corner of the top-left pixel",
    lambda x, y, W, H: (x + 0.5, y + 0.5),
    lambda x, y, W, H: (x - 0.5, y - 0.5),
)

CORNER_UP = Convention(
    "pixels, y up, (0, 0) is the outer corner of the bottom-left pixel",
    lambda x, y, W, H: (x + 0.5, H - 0.5 - y),
    lambda x, y, W, H: (x - 0.5, H - 0.5 - y),
)

UNIT_DOWN = Convention(
    "fractions of the picture, y down, from (0, 0) at its top-left to (1, 1) at its bottom-right "
    "corner",
    lambda x, y, W, H: ((x + 0.5) / W, (y + 0.5) / H),
    lambda x, y, W, H: (x * W - 0.5, y * H - 0.5),
)
"""The raster coordinates of TAP-Vid."""

UNIT_UP = Convention(
    "fractions of the picture, y up, from (0, 0) at its bottom-left to (1, 1) at its top-right "
    "corner",
    lambda x, y, W, H: ((x + 0.5) / W, 1 - (y + 0.5) / H),
    lambda x, y, W, H: (x * W - 0.5, (1 - y) * H - 0.5),
)

SYNTHEYES = Convention(
    "-1 and 1 are the centres of the outermost pixels, y down",
    lambda x, y, W, H: (2 * x / max(W - 1, 1) - 1, 2 * y / max(H - 1, 1) - 1),
    lambda x, y, W, H: ((x + 1) * max(W - 1, 1) / 2, (y + 1) * max(H - 1, 1) / 2),
)

MAYA_LIVE = Convention(
    "(0, 0) is the middle of the picture, y up, from -1 to 1 over its height",
    lambda x, y, W, H: (((x + 0.5) / W * 2 - 1) * W / H, (H - 0.5 - y) / H * 2 - 1),
    lambda x, y, W, H: ((x * H / W + 1) / 2 * W - 0.5, H - 0.5 - (y + 1) / 2 * H),
)

ONE_BASED = Convention(
    "pixels, y down, (1, 1) is the centre of the top-left pixel",
    lambda x, y, W, H: (x + 1, y + 1),
    lambda x, y, W, H: (x - 1, y - 1),
)
"""MATLAB and MOTChallenge."""


def raster_to_pixels(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert positions ``[..., 2]`` from TAP-Vid raster coordinates to pixels (float32).

    Args:
        points: x/W and y/H, where 0 and 1 are the edges of the image.
        size: ``(W, H)`` of the video.

    Example:
        >>> from motes.coordinates import raster_to_pixels
        >>> raster_to_pixels(np.array([0.5, 0.5]), size=(96, 72)).tolist()
        [47.5, 35.5]
    """
    return UNIT_DOWN.to_pixels(points, size).astype(np.float32)


def pixels_to_raster(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The inverse of `raster_to_pixels` (float32).

    Example:
        >>> from motes.coordinates import pixels_to_raster
        >>> pixels_to_raster(np.array([47.5, 35.5]), size=(96, 72)).tolist()
        [0.5, 0.5]
    """
    return UNIT_DOWN.from_pixels(xy, size).astype(np.float32)


@dataclass(frozen=True)
class ResizeRule:
    """Rule for resizing the frames of any video to the working resolution of a model.

    Attributes:
        size: Fixed ``(H, W)``; the aspect ratio is not kept.  None keeps the ratio and obeys
            `long_side`.
        long_side: With no fixed size, a longer side above this is reduced to it.
        multiple: With no fixed size, both sides are rounded to multiples of this.
        corners: Whether the centres of the corner pixels are mapped onto each other
            (``align_corners=True``), or the edges of the image.

    Example:
        >>> from motes.coordinates import ResizeRule
        >>> ResizeRule(long_side=512, multiple=8).plan(source=(1920, 1080)).target
        (512, 288)
    """

    size: tuple[int, int] | None = None
    long_side: int | None = None
    multiple: int = 1
    corners: bool = False

    def plan(self, source: tuple[int, int]) -> Resize:
        """The resize for a video of `source` (W, H) pixels."""
        if self.size is not None:
            H, W = self.size
            return Resize(source, (W, H), self.corners)
        longest = max(source)
        scale = min(1.0, (self.long_side or longest) / longest)
        W, H = (max(1, round(side * scale / self.multiple)) * self.multiple for side in source)
        return Resize(source, (W, H), self.corners)


@dataclass(frozen=True)
class Resize:
    """A resize of frames and of coordinates, and its inverse.

    Coordinates are pixels with whole numbers at pixel centres, on both sides.

    Attributes:
        source: ``(W, H)`` of the video.
        target: ``(W, H)`` of the model.
        corners: See `ResizeRule`.

    Example:
        >>> from motes.coordinates import Resize
        >>> resize = Resize(source=(640, 480), target=(256, 256))
        >>> resize.points(np.array([319.5, 239.5])).tolist()
        [127.5, 127.5]
        >>> resize.inverse(np.array([127.5, 127.5])).tolist()
        [319.5, 239.5]
    """

    source: tuple[int, int]
    target: tuple[int, int]
    corners: bool = False

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Map ``[..., 2]`` positions in the video to the model's pixels (float32)."""
        return self._map(xy, self.source, self.target)

    def inverse(self, xy: np.ndarray) -> np.ndarray:
        """Map ``[..., 2]`` positions in the model's pixels back to the video (float32)."""
        return self._map(xy, self.target, self.source)

    def _map(self, xy: np.ndarray, a: tuple[int, int], b: tuple[int, int]) -> np.ndarray:
        xy = np.asarray(xy, np.float64)
        if self.corners:
            scale = [(v - 1) / max(u - 1, 1) for u, v in zip(a, b, strict=True)]
            return (xy * scale).astype(np.float32)
        scale = [v / u for u, v in zip(a, b, strict=True)]
        return from_corner(to_corner(xy) * scale).astype(np.float32)

    def frames(self, frames: torch.Tensor) -> torch.Tensor:
        """Resize frames bilinearly; reductions are not anti-aliased when corners are aligned.

        Args:
            frames: float ``[T, 3, H, W]`` at the source size.

        Returns:
            float ``[T, 3, H', W']`` at the target size; the input itself, if the sizes agree.

        Raises:
            InputError: The frames are not of the source size.
        """
        import torch.nn.functional as F

        W, H = self.source
        if frames.shape[-2:] != (H, W):
            got = f"{frames.shape[-1]}x{frames.shape[-2]}"
            raise InputError(f"frame size: expected {W}x{H}, got {got}")
        if self.source == self.target:
            return frames
        size = self.target[::-1]
        if self.corners:
            return F.interpolate(frames, size, mode="bilinear", align_corners=True)
        return F.interpolate(frames, size, mode="bilinear", align_corners=False, antialias=True)
