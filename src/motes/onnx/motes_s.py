"""motes-s as ONNX graphs; its candidates (dense optical flow) are computed outside of them.

    encoder:  frames -> feature pyramid                       once per frame
    patches:  pyramid, queries -> support                     once per query
    compare:  candidates, pyramid, support -> similarities    once per window
    update:   positions, scores, candidates, ... -> positions, scores    M times per window

Shapes: B = 1, T frames, N points, S frames of a window, K candidates; see `MotesS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from motes.features.candidates import Candidates
from motes.features.chooser import SIMILARITIES, similarity
from motes.features.correlation import query_patches
from motes.models.candidate_base import STRIDE, Estimate, fit_frames
from motes.models.motes_s import MotesS, MotesSConfig, Options
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
    """Frames ``[T, 3, H, W]`` in [0, 1], at the network's size, to L levels ``[T, h, w, C]``."""

    def __init__(self, model: MotesS) -> None:
        super().__init__()
        self.encoder, self.levels = model.encoder, model.config.levels

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Encode."""
        return self.encoder.pyramid(2 * frames - 1, self.levels)


class Compare(nn.Module):
    """How much the features at candidates are like those of the queries."""

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, candidates: Tensor, levels: list[Tensor], support: list[Tensor]) -> Tensor:
        """Compare; the arguments are those of `Update`, the result is its `similar`."""
        return similarity(levels, support, candidates, self.radius)


class Update(nn.Module):
    """One iteration of refinement in a window of S frames."""

    def __init__(self, model: MotesS) -> None:
        super().__init__()
        self.model, self.kinds = model, model.kind_indices(None)

    def forward(
        self,
        xy: Tensor,
        scores: Tensor,
        candidates: Tensor,
        error: Tensor,
        similar: Tensor,
        mask: Tensor,
        known: Tensor,
        levels: list[Tensor],
        support: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Refine.

        Args:
            xy: ``[1, N, S, 2]``, cells of the first level.
            scores: ``[1, N, S, 2]``, logits of visibility and confidence.
            candidates: ``[1, N, S, K, 2]``, cells.
            error: ``[1, N, S, K]``, pixels of the encoder's frames, at most 10000.
            similar: ``[1, N, S, K, 7]``, by `Compare`.
            mask: bool ``[1, N, S, K]``, which candidates exist.
            known: bool ``[1, N]``, points whose query has come.
            levels: Of the S frames.
            support: By `Patches`.

        Returns:
            The same shapes as `xy` and `scores`.
        """
        options = Options(candidates, error, similar, mask)
        now = Estimate(xy, scores)
        now = self.model.update(now, levels, support, options, self.kinds, known)
        return now.xy, now.scores


class OnnxMotesS(MotesS):
    """Encodes and refines with exported graphs; candidates are those of `MotesS`.

    Args:
        config: Of the exported model.
        folder: Where the graphs are.
        threads: Threads of ONNX Runtime; None: as many as torch has.
    """

    names = ("encoder", "compare", "update")

    def __init__(self, config: MotesSConfig, folder: Path, threads: int | None = None) -> None:
        super().__init__(config)
        without_weights(self, folder, self.names)
        self.graphs = TensorGraphs(folder, self.names, threads)

    def levels(self, video: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """See `CandidateModel.levels`."""
        parts = [
            self.graphs.run("encoder", [f]) for f in fit_frames(video[0].float(), size).split(1)
        ]
        return tuple(torch.cat(level)[None] for level in zip(*parts, strict=True))

    def options(
        self, levels: Sequence[Tensor], support: Sequence[Tensor], candidates: Candidates
    ) -> Options:
        """See `MotesS.options`."""
        (similar,) = self.graphs.run("compare", [candidates.xy, *levels, *support])
        return Options.of(candidates, similar, self.config.choosing)

    def update(
        self,
        now: Estimate,
        levels: Sequence[Tensor],
        support: Sequence[Tensor],
        options: Options,
        kinds: Sequence[int],
        known: Tensor | None = None,
    ) -> Estimate:
        """See `MotesS.update`; the kinds are those of the exported model."""
        known = torch.ones(now.xy.shape[:2], dtype=torch.bool) if known is None else known
        inputs = [now.xy, now.scores, *options, known, *levels, *support]
        return Estimate(*self.graphs.run("update", inputs))


def _graphs(model: MotesS) -> dict[str, Graph]:
    examples, count = _examples(model), model.config.levels
    per_point, per_frame, maps = {1: FREE}, {1: FREE, 2: FREE}, {1: FREE, 2: FREE, 3: FREE}
    free: Axes = {
        "frames": {0: FREE, 2: FREE, 3: FREE},
        "levels": [maps] * count,
        "support": [per_point] * count,
        **dict.fromkeys(("frame", "cells", "known"), per_point),
        **dict.fromkeys(("xy", "scores", "candidates", "error", "similar", "mask"), per_frame),
    }
    encoder, update = Encoder(model), Update(model)
    patches, compare = Patches(model.config.radius), Compare(model.config.radius)
    at_query, compared = "levels frame cells", "candidates levels support"
    refined = "xy scores candidates error similar mask known levels support"
    levels, support = (numbered(kind, count) for kind in ("level", "support"))
    return {
        "encoder": Graph.of(encoder, "frames", examples, free, levels),
        "patches": Graph.of(patches, at_query, examples, free, support),
        "compare": Graph.of(compare, compared, examples, free, ["similar"]),
        "update": Graph.of(update, refined, examples, free, ["new_xy", "new_scores"]),
    }


def _examples(model: MotesS, frames: int = 5, points: int = 3) -> Inputs:
    """Small inputs of any content."""
    video = torch.rand(frames, 3, 96, 128)
    levels = [level[None] for level in Encoder(model)(video)]
    frame = torch.zeros(1, points, dtype=torch.int64)
    cells = 8 + 8 * torch.rand(1, points, 2)
    xy = cells[:, :, None].repeat(1, 1, frames, 1)
    candidates = xy[..., None, :].repeat(1, 1, 1, len(model.config.candidates), 1)
    each = candidates.shape[:-1]
    return {
        "frames": video,
        "levels": levels,
        "frame": frame,
        "cells": cells,
        "support": list(query_patches(levels, frame, cells, model.config.radius)),
        "xy": xy,
        "scores": torch.zeros_like(xy),
        "candidates": candidates,
        "error": torch.rand(each),
        "similar": torch.rand(*each, SIMILARITIES),
        "mask": torch.ones(each, dtype=torch.bool),
        "known": torch.ones(1, points, dtype=torch.bool),
    }


def _describe(model: MotesS) -> dict[str, Any]:
    c = model.config
    return {
        "window": model.schedule.window,
        "step": c.step,
        "refined_frames": c.frames,
        "iterations": c.iterations,
        "stride": STRIDE,
        "levels": c.levels,
        "channels": c.channels,
        "patch_radius": c.radius,
        "longer_side": c.side,
        "multiple": c.multiple,
        "candidates": list(c.candidates),
    }


MOTES_S = Architecture(MotesS, MotesSConfig, _graphs, _describe, OnnxMotesS)
