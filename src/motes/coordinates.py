"""`Resize`: to a model's working resolution and back, one value for frames and coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from motes.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ResizeRule:
    """How the frames of any video reach the working resolution of a model.

    Attributes:
        size: Fixed ``(H, W)``; the aspect ratio is not kept.  None keeps the ratio and obeys
            `long_side`.
        long_side: With no fixed size, a longer side above this is reduced to it.
        multiple: With no fixed size, both sides are rounded to multiples of this.
        corners: Whether the centres of the corner pixels are mapped onto each other
            (``align_corners=True``), or the edges of the image.
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
        return ((xy + 0.5) * scale - 0.5).astype(np.float32)

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
