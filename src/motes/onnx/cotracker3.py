"""CoTracker3 as ONNX graphs.

    encoder:  frames -> feature pyramid             once per frame
    patches:  pyramid, queries -> support           once per query
    update:   positions, logits, pyramid, support -> positions, logits    M times per window

Shapes: B = 1, T frames, N points, S frames of a window, L levels; see `CoTracker3`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.features.correlation import query_patches
from motes.features.encoder import pyramid
from motes.models.base import FeatureMaps
from motes.models.cotracker3 import CoTracker3, CoTracker3Config
from motes.models.cotracker_base import Estimate
from motes.onnx.architecture import (
    FREE,
    Architecture,
    Axes,
    Graph,
    Inputs,
    TensorGraphs,
    numbered,
    without_weights,
)
from motes.onnx.parts import Patches


class Encoder(nn.Module):
    """Frames ``[T, 3, H, W]`` in [0, 1] to L levels ``[T, h, w, C]``."""

    def __init__(self, model: CoTracker3) -> None:
        super().__init__()
        self.encoder, self.levels = model.encoder, model.levels

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """All frames at once, where `CoTracker3.encode` takes a few at a time."""
        features = F.normalize(self.encoder(2 * frames - 1), dim=1, eps=1e-6)
        return pyramid(features, self.levels)


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


class OnnxCoTracker3(CoTracker3):
    """Encodes and refines with exported graphs.

    Args:
        config: Of the exported model.
        folder: Where the graphs are.
        threads: Threads of ONNX Runtime; None: as many as torch has.
    """

    names = ("encoder", "update")

    def __init__(self, config: CoTracker3Config, folder: Path, threads: int | None = None) -> None:
        super().__init__(config)
        without_weights(self, folder, self.names)
        self.graphs = TensorGraphs(folder, self.names, threads)

    def encode(self, video: Tensor) -> FeatureMaps:
        """See `PointModel.encode`."""
        levels = self.graphs.run("encoder", [video.float().flatten(0, 1)])
        return FeatureMaps(tuple(level.unflatten(0, video.shape[:2]) for level in levels))

    def update(
        self, estimate: Estimate, features: FeatureMaps, support: tuple[Tensor, ...]
    ) -> Estimate:
        """See `CoTracker3.update`; a last window that is not full is filled with its last frame."""
        frames = estimate.xy.shape[2]
        levels = features.padded(frames).levels
        return Estimate(
            *self.graphs.run("update", [estimate.xy, estimate.logits, *levels, *support])
        )


def _graphs(model: CoTracker3) -> dict[str, Graph]:
    examples = _examples(model, model.windowed().window or 0)
    count, points = model.levels, {1: FREE}
    maps: dict[int, Any] = {1: FREE, 2: FREE, 3: FREE}
    free: Axes = {
        "frames": {0: FREE, 2: FREE, 3: FREE},
        "levels": [maps] * count,
        "frame": points,
        "cells": points,
        "xy": points,
        "logits": points,
        "support": [points] * count,
    }
    window = free | {"levels": [{2: FREE, 3: FREE}] * count}
    encoder, patches, update = Encoder(model), Patches(model.support_radius), Update(model)
    at_query, refined = "levels frame cells", "xy logits levels support"
    levels, support = (numbered(kind, count) for kind in ("level", "support"))
    return {
        "encoder": Graph.of(encoder, "frames", examples, free, levels),
        "patches": Graph.of(patches, at_query, examples, free, support),
        "update": Graph.of(update, refined, examples, window, ["new_xy", "new_logits"]),
    }


def _examples(model: CoTracker3, frames: int, points: int = 3) -> Inputs:
    """Small inputs of any content."""
    side = 16 * model.stride
    video = torch.rand(1, frames, 3, side, side + 2 * model.stride)
    levels = list(model.encode(video).levels)
    frame = torch.zeros(1, points, dtype=torch.int64)
    cells = 4 + 8 * torch.rand(1, points, 2)
    support = list(query_patches(levels, frame, cells, model.support_radius))
    return {
        "frames": video[0],
        "levels": levels,
        "frame": frame,
        "cells": cells,
        "support": support,
        "xy": cells[:, :, None].repeat(1, 1, frames, 1),
        "logits": torch.zeros(1, points, frames, model.num_logits),
    }


def _describe(model: CoTracker3) -> dict[str, Any]:
    schedule = model.windowed()
    return {
        "window": schedule.window,
        "step": schedule.step,
        "iterations": model.iterations,
        "stride": model.stride,
        "levels": model.levels,
        "channels": model.channels,
        "patch_radius": model.support_radius,
    }


COTRACKER3 = Architecture(CoTracker3, CoTracker3Config, _graphs, _describe, OnnxCoTracker3)
