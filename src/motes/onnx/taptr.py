"""TAPTR and TAPTRv2 as ONNX graphs.

    encoder:  frames -> feature pyramid                           once per frame
    content:  pyramid, queries -> content                         once per query
    decoder:  content, positions, pyramid -> the same, classes    once per window
    carry:    content -> what later windows add to it             once per window

Shapes: B = 1, T frames, N points, S frames of a window, L levels, C channels; see `Taptr`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from motes.features.point_decoder import Refined, Window
from motes.features.pyramid import Pyramid
from motes.models.taptr import VISIBLE, Taptr, TaptrConfig
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


class Encoder(nn.Module):
    """Frames ``[T, 3, H, W]`` in [0, 1] to L levels ``[T, h, w, C]``."""

    def __init__(self, model: Taptr) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Encode."""
        return tuple(self.model.encode_frames(frames))


class Content(nn.Module):
    """What the feature maps hold at the queries."""

    def __init__(self, model: Taptr) -> None:
        super().__init__()
        self.model = model

    def forward(self, levels: list[Tensor], frame: Tensor, position: Tensor) -> Tensor:
        """Look up.

        Args:
            levels: Of the encoder, ``[1, T, h, w, C]``.
            frame: int64 ``[1, N]``, counted in `levels`.
            position: ``[1, N, 2]``, normalised: 0 and 1 are the centres of the outer pixels.

        Returns:
            ``[1, N, C]``.
        """
        return self.model.look_up(_pyramid(levels), position, frame)


class Decoder(nn.Module):
    """All layers of the decoder, in a window of S frames."""

    def __init__(self, model: Taptr) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self,
        content: Tensor,
        logits: Tensor,
        tracked: Tensor,
        updated: Tensor,
        levels: list[Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Refine.

        Args:
            content: ``[1, S, N, C]``.
            logits: ``[1, S, N, 4]``, of normalised positions (x, y, w, h).
            tracked: bool ``[1, S, N]``, from the query frame on.
            updated: bool ``[1, S, N]``, after the query frame.
            levels: Of the S frames, ``[1, S, h, w, C]``.

        Returns:
            Content and logits of the same shapes, and logits of the classes ``[1, S, N, 3]``.
        """
        last = self.decoder(content, logits, Window(_pyramid(levels), tracked, updated))[-1]
        return last.content, last.positions, last.classes


class OnnxTaptr(Taptr):
    """Encodes and refines with exported graphs.

    Args:
        config: Of the exported model.
        folder: Where the graphs are.
        threads: Threads of ONNX Runtime; None: as many as torch has.
    """

    names = ("encoder", "content", "decoder", "carry")

    def __init__(self, config: TaptrConfig, folder: Path, threads: int | None = None) -> None:
        super().__init__(config)
        without_weights(self, folder, self.names)
        self.graphs = TensorGraphs(folder, self.names, threads)
        self.decoder = _DecoderGraph(self.graphs)  # type: ignore[assignment]
        self.between_windows = _CarryGraph(self.graphs)  # type: ignore[assignment]

    def encode_frames(self, frames: Tensor) -> list[Tensor]:
        """See `Taptr.encode_frames`; one frame after the other, which takes little memory."""
        parts = [self.graphs.run("encoder", [frame]) for frame in frames.float().split(1)]
        return [torch.cat(maps) for maps in zip(*parts, strict=True)]

    def look_up(self, memory: Pyramid, position: Tensor, frame: Tensor) -> Tensor:
        """See `Taptr.look_up`."""
        inputs = [*_levels(memory), frame.long(), position]
        (content,) = self.graphs.run("content", inputs)
        return content


class _DecoderGraph(nn.Module):
    """In the place of a `motes.features.point_decoder.Decoder`."""

    def __init__(self, graphs: TensorGraphs) -> None:
        super().__init__()
        self.graphs = graphs

    def forward(self, content: Tensor, logits: Tensor, window: Window) -> list[Refined]:
        inputs = [content, logits, window.tracked, window.updated, *_levels(window.memory)]
        content, positions, classes = self.graphs.run("decoder", inputs)
        return [Refined(content, positions, classes, moved=None)]


class _CarryGraph(nn.Module):
    """In the place of the MLP `Taptr.between_windows`."""

    def __init__(self, graphs: TensorGraphs) -> None:
        super().__init__()
        self.graphs = graphs

    def forward(self, contents: Tensor) -> Tensor:
        (change,) = self.graphs.run("carry", [contents])
        return change


def _pyramid(levels: Sequence[Tensor]) -> Pyramid:
    """Levels ``[1, S, h, w, C]`` as tokens."""
    return Pyramid.of([level[0].permute(0, 3, 1, 2) for level in levels])


def _levels(memory: Pyramid) -> list[Tensor]:
    """The inverse of `_pyramid`."""
    return [m[None] for m in memory.maps()]


def _graphs(model: Taptr) -> dict[str, Graph]:
    examples = _examples(model)
    count, per_point, per_frame = len(model.project), {1: FREE}, {2: FREE}
    free: Axes = {
        "frames": {0: FREE, 2: FREE, 3: FREE},
        "levels": [{1: FREE, 2: FREE, 3: FREE}] * count,
        "frame": per_point,
        "position": per_point,
        **dict.fromkeys(("content", "logits", "tracked", "updated"), per_frame),
        "contents": {1: FREE, 2: FREE},
    }
    window = free | {"levels": [{2: FREE, 3: FREE}] * count}
    encoder, content, decoder = Encoder(model), Content(model), Decoder(model)
    at_query, refined = "levels frame position", "content logits tracked updated levels"
    results = ["new_content", "new_logits", "classes"]
    return {
        "encoder": Graph.of(encoder, "frames", examples, free, numbered("level", count)),
        "content": Graph.of(content, at_query, examples, free, ["content"]),
        "decoder": Graph.of(decoder, refined, examples, window, results),
        "carry": Graph.of(model.between_windows, "contents", examples, free, ["change"]),
    }


def _examples(model: Taptr, points: int = 3) -> Inputs:
    """Small inputs of any content."""
    window, width = model.config.window, model.config.width
    video = torch.rand(1, window, 3, 128, 160)
    each = (1, window, points)
    return {
        "frames": video[0],
        "levels": list(model.encode(video).levels),
        "frame": torch.zeros(1, points, dtype=torch.int64),
        "position": torch.rand(1, points, 2),
        "content": torch.rand(*each, width),
        "logits": torch.rand(*each, 4),
        "tracked": torch.ones(each, dtype=torch.bool),
        "updated": torch.ones(each, dtype=torch.bool),
        "contents": torch.rand(1, points, window, 3 * width),
    }


def _describe(model: Taptr) -> dict[str, Any]:
    schedule = model.schedule
    return {
        "window": schedule.window,
        "step": schedule.step,
        "iterations": 1,
        "stride": model.stride,
        "levels": len(model.project),
        "channels": model.config.width,
        "training_frames": model.config.clip,
        "positions": "logits of (x, y, w, h); x and y are 0 and 1 at the outer pixel centres",
        "score": f"sigmoid(classes[{VISIBLE}])",
    }


TAPTR = Architecture(Taptr, TaptrConfig, _graphs, _describe, OnnxTaptr)
