"""The parts of CoTracker3 that become ONNX graphs: pure functions of tensors.

    encoder:  frames -> feature pyramid             once per frame
    patches:  pyramid, queries -> support           once per query
    update:   positions, logits, pyramid, support -> positions, logits    M times per window

Shapes: B = 1, T frames, N points, S frames of a window, L levels; see `CoTracker3`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.features.correlation import query_patches
from motes.features.encoder import pyramid
from motes.models.base import FeatureMaps
from motes.models.cotracker3 import CoTracker3
from motes.models.cotracker_base import Estimate


class Encoder(nn.Module):
    """Frames ``[T, 3, H, W]`` in [0, 1] to L levels ``[T, h, w, C]``."""

    def __init__(self, model: CoTracker3) -> None:
        super().__init__()
        self.encoder, self.levels = model.encoder, model.levels

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """All frames at once, where `CoTracker3.encode` takes a few at a time."""
        features = F.normalize(self.encoder(2 * frames - 1), dim=1, eps=1e-6)
        return pyramid(features, self.levels)


class Patches(nn.Module):
    """Features around queries, per level ``[1, N, (2r+1)^2, C]``."""

    def __init__(self, model: CoTracker3) -> None:
        super().__init__()
        self.radius = model.support_radius

    def forward(self, levels: list[Tensor], frame: Tensor, cells: Tensor) -> tuple[Tensor, ...]:
        """Sample.

        Args:
            levels: Of the encoder.
            frame: int64 ``[1, N]``, counted in `levels`.
            cells: ``[1, N, 2]``, positions in cells of the first level (pixels / stride).
        """
        return tuple(query_patches(levels, frame, cells, self.radius))


class Update(nn.Module):
    """One iteration of refinement in a window of S frames."""

    def __init__(self, model: CoTracker3) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, xy: Tensor, logits: Tensor, levels: list[Tensor], support: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Refine.

        Args:
            xy: ``[1, N, S, 2]``, cells of the first level.
            logits: ``[1, N, S, 2]``, of visibility and confidence.
            levels: Of the S frames of the window.
            support: By `Patches`.

        Returns:
            The same shapes as `xy` and `logits`.
        """
        done = self.model.update(Estimate(xy, logits), FeatureMaps(tuple(levels)), tuple(support))
        return done.xy, done.logits


def names(kind: str, count: int) -> list[str]:
    """Names of the tensors of a list: level0, level1, ..."""
    return [f"{kind}{number}" for number in range(count)]


def example(model: CoTracker3, frames: int, points: int = 3) -> dict[str, object]:
    """Inputs of the three graphs, small and of any content."""
    side = 16 * model.stride
    video = torch.rand(1, frames, 3, side, side + 2 * model.stride)
    levels = list(model.encode(video).levels)
    frame = torch.zeros(1, points, dtype=torch.int64)
    cells = 4 + 8 * torch.rand(1, points, 2)
    support = list(query_patches(levels, frame, cells, model.support_radius))
    xy = cells[:, :, None].repeat(1, 1, frames, 1)
    return {
        "frames": video[0],
        "levels": levels,
        "frame": frame,
        "cells": cells,
        "support": support,
        "xy": xy,
        "logits": torch.zeros(1, points, frames, model.num_logits),
    }
