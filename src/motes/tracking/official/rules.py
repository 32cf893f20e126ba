"""What differs between the published CoTracker predictors, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from motes.coordinates import Resize
from motes.models.base import PointModel
from motes.models.cotracker import CoTracker
from motes.models.cotracker2 import CoTracker2
from motes.models.cotracker3 import CoTracker3
from motes.tracking.official.grids import centred_grid, cornered_grid

MODES = ("official", "official-online", "official-eval")

SIZE = (512, 384)
"""Width and height at which all published predictors run their model."""

SUPPORT_SIDE = 6
"""Side of the support grid of the predictors."""

LOCAL_EXTENT = 50.0
"""Width and height of the grid around a query in the benchmark, in pixels of the model."""


class ScaledResize(Resize):
    """Frames are resized edge to edge, but coordinates are only scaled (the first version)."""

    def _map(self, xy: np.ndarray, a: tuple[int, int], b: tuple[int, int]) -> np.ndarray:
        return (np.asarray(xy, np.float64) * (np.array(b) / np.array(a))).astype(np.float32)

    def frames(self, frames: Tensor) -> Tensor:
        """Resize frames ``[T, 3, H, W]`` bilinearly; reductions are not anti-aliased."""
        return F.interpolate(frames, self.target[::-1], mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Rules:
    """What differs between the published versions.

    Attributes:
        first_version: Frames are scaled edge to edge, grids are computed with whole numbers, and
            the backward pass fills exact zeros.
        online_above: A point is visible in the online predictor above this score.
        eval_above: The same in the benchmark.
        confident: Whether the version knows a confidence; except in the offline predictor it is
            multiplied with the visibility.
        cropped: Whether the benchmark cuts the video off before the query.
        eval_global: Side of the benchmark's grid over the frame.
        eval_local: Side of its grid around the query.
        dense_columns: A dense request takes every n-th pixel, n = width // this.
    """

    first_version: bool = False
    online_above: float = 0.9
    eval_above: float = 0.9
    confident: bool = False
    cropped: bool = True
    eval_global: int = 5
    eval_local: int = 8
    dense_columns: int = 80

    def resize(self, source: tuple[int, int]) -> Resize:
        """From a video of `source` (W, H) pixels to the model."""
        if self.first_version:
            return ScaledResize(source, SIZE)
        return Resize(source, SIZE, corners=True)

    def grid(
        self, side: int, extent: tuple[float, float], centre: np.ndarray | None = None
    ) -> np.ndarray:
        """Regular grid ``[side * side, 2]``; see `centred_grid`."""
        make = cornered_grid if self.first_version else centred_grid
        return make(side, extent, centre)


OFFLINE_ABOVE = 0.9
"""A point is visible in the offline predictor above this visibility."""

RULES: dict[type[PointModel], Rules] = {
    CoTracker: Rules(first_version=True, eval_global=6, eval_local=6, dense_columns=30),
    CoTracker2: Rules(),
    CoTracker3: Rules(online_above=0.6, eval_above=0.6, confident=True, cropped=False),
}
