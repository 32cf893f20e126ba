"""The decoder of TAPTR and TAPTRv2: refines points as a detection transformer refines boxes.

Sources: "TAPTR" (arXiv 2403.13042), "TAPTRv2" (arXiv 2407.16291, figure 3).
Positions are (x, y, w, h), normalised so that 0 and 1 are the centres of the first and the last
pixel; w and h have no meaning, but the network uses them.  Shapes: B videos, S frames of a
window, N points, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from motes.features.chunks import QUERIES_PER_CHUNK, in_chunks
from motes.features.correlation import point_correlation
from motes.features.deformable import (
    DeformableAttention,
    KeyAwareDeformableAttention,
    init_xavier,
)
from motes.features.mlp import full_precision, mlp
from motes.features.positions import logit, sine_code
from motes.features.proxy import GroupAttention, ProxyAttention
from motes.features.pyramid import Pyramid, size_tensor


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a `Decoder`."""

    width: int  # C
    heads: int
    levels: int  # feature maps
    samples: int  # sampling positions of a head in each feature map
    hidden: int  # hidden width of the MLPs
    depth: int  # layers
    proxies: int | None  # proxy tokens of the attention among points; None: full attention
    cost_volume: bool  # TAPTR: a cost volume instead of the position update


@dataclass(frozen=True)
class Window:
    """Inputs of the decoder besides content and positions.

    Attributes:
        memory: Tokens of the ``B * S`` frames.
        tracked: bool ``[B, S, N]``: from the query frame on.
        updated: bool ``[B, S, N]``: after the query frame.
    """

    memory: Pyramid
    tracked: Tensor
    updated: Tensor


class Refined(NamedTuple):
    """Output of a decoder layer: ``[B, S, N, ...]`` each."""

    content: Tensor  # C, with the position update mixed in
    positions: Tensor  # 4, logits
    classes: Tensor  # 3, logits
    moved: Tensor | None  # 4, logits right after the position update; None in TAPTR


class PositionCode(nn.Module):
    """Learned embedding of a position, added to queries and keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = mlp(2 * width, width, width)

    def forward(self, position: Tensor) -> Tensor:
        """Positions ``[..., 4]`` to codes ``[..., C]``."""
        first = self.get_parameter("mlp.0.weight")
        return self.mlp(sine_code(position, first.shape[1] // 4).to(first.dtype))


class PointBlock(nn.Module):
    """Common part of both versions: attention over time, over points, and an MLP (figure 3(b))."""

    def __init__(self, c: DecoderConfig) -> None:
        super().__init__()
        self.norm_cross = nn.LayerNorm(c.width)
        self.time = GroupAttention(c.width, c.heads)
        self.norm_time = nn.LayerNorm(c.width)
        self.points = (
            GroupAttention(c.width, c.heads)
            if c.proxies is None
            else ProxyAttention(c.width, c.heads, c.proxies)
        )
        self.norm_points = nn.LayerNorm(c.width)
        self.mlp = mlp(c.width, c.hidden, c.width)
        self.norm_mlp = nn.LayerNorm(c.width)

    def over_time(self, x: Tensor, code: Tensor, window: Window) -> Tensor:
        """Attention among the frames of each point."""
        inputs = (x, code, window.tracked)
        by_point = (t.transpose(1, 2).flatten(0, 1).contiguous() for t in inputs)
        found = self.time(*by_point).unflatten(0, (len(x), -1))
        return self.norm_time(x + found.transpose(1, 2))

    def over_points(self, x: Tensor, code: Tensor, window: Window) -> Tensor:
        """Attention among the points of each frame."""
        by_frame = (t.flatten(0, 1) for t in (x, code, window.tracked))
        return self.norm_points(x + self.points(*by_frame).unflatten(0, x.shape[:2]))

    def feed_forward(self, x: Tensor) -> Tensor:
        """The MLP, for each point and frame separately."""

        def residual(x: Tensor) -> Tensor:
            return self.norm_mlp(x + self.mlp(x))

        return pointwise(residual, x)


class PositionUpdateLayer(PointBlock):
    """Decoder layer of TAPTRv2 (arXiv 2407.16291, figure 3(b))."""

    def __init__(self, c: DecoderConfig) -> None:
        super().__init__(c)
        self.cross = KeyAwareDeformableAttention(c.width, c.heads, c.levels, c.samples)
        self.place = PositionCode(c.width)

    def forward(
        self, x: Tensor, position: Tensor, code: Tensor, window: Window
    ) -> tuple[Tensor, Tensor]:
        """Refine content ``[B, S, N, C]`` and positions ``[B, S, N, 4]``."""
        by_frame = ((x + code).flatten(0, 1), position[..., :2].flatten(0, 1))
        found, step = (t.view(*x.shape[:3], -1) for t in self.cross(*by_frame, window.memory))
        x = self.norm_cross(x + found)
        moved = displace(position, step, window.updated)
        code = pointwise(self.place, moved)
        x = self.over_time(x, code, window)
        x = self.over_points(x, code, window)
        return self.feed_forward(x), moved


class CostVolumeLayer(PointBlock):
    """Decoder layer of TAPTR (arXiv 2403.13042)."""

    def __init__(self, c: DecoderConfig) -> None:
        super().__init__(c)
        self.cross = DeformableAttention(c.width, c.heads, c.levels, c.samples)

    def forward(
        self, x: Tensor, position: Tensor, code: Tensor, window: Window
    ) -> tuple[Tensor, Tensor]:
        """Refine content ``[B, S, N, C]``; the positions are returned unchanged."""
        x = self.over_time(x, code, window)
        x = self.over_points(x, code, window)
        by_frame = ((x + code).flatten(0, 1), position[..., :2].flatten(0, 1))
        x = self.norm_cross(x + self.cross(*by_frame, window.memory).view_as(x))
        return self.feed_forward(x), position


def pointwise(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Apply a pointwise function to tensors ``[B, S, N, ...]``, in chunks that limit memory."""
    found = in_chunks(function, QUERIES_PER_CHUNK, *(t.flatten(0, 2)[None] for t in tensors))
    return found[0].unflatten(0, tensors[0].shape[:3])


def displace(position: Tensor, step: Tensor, updated: Tensor) -> Tensor:
    """Add a displacement to x and y where points are updated; they stay inside the image."""
    xy = logit(position[..., :2] + step).sigmoid()
    moved = torch.cat([xy, position[..., 2:]], -1)
    return torch.where(updated[..., None], moved, position)


Volume = tuple[list[Tensor], Tensor]
"""Keys per map ``[B, S, h, w, C]`` and queries ``[B, N, S, C]`` of a cost volume."""


class CostVolume(nn.Module):
    """Correlation of the content at the query with the feature maps around each point.

    Args:
        width: Channels C.
        levels: Number of feature maps.
        depth: Number of decoder layers; each has a separate MLP that adds the correlation.
        radius: ``(2r+1) x (2r+1)`` cells of every map are correlated.
    """

    def __init__(self, width: int, levels: int, depth: int, radius: int = 3) -> None:
        super().__init__()
        self.radius = radius
        found = levels * (2 * radius + 1) ** 2
        self.key = nn.ModuleList(nn.Linear(width, width) for _ in range(levels))
        self.query = mlp(width, width, width)
        self.mix = nn.ModuleList(mlp(width + found, width, width) for _ in range(depth))

    def prepare(self, initial: Tensor, memory: Pyramid) -> Volume:
        """Keys and queries, which are computed once per window for all layers."""
        pairs = zip(self.key, memory.maps(), strict=True)
        keys = [key(m).unflatten(0, initial.shape[:2]) for key, m in pairs]
        return keys, self.query(initial).transpose(1, 2)

    def forward(self, layer: int, x: Tensor, position: Tensor, volume: Volume) -> Tensor:
        """Add the correlation around the current positions to the content."""
        keys, query = volume
        at = corner_pixels(position[..., :2], keys[0].shape[2:4]).transpose(1, 2)
        found = point_correlation(keys, query, at, self.radius, "border").transpose(1, 2)
        return self.mix[layer](torch.cat([x, found.to(x.dtype)], -1))


def corner_pixels(position: Tensor, size: Sequence[int]) -> Tensor:
    """Normalised (x, y) to cells of a map whose corner cells are the corners of the image.

    The released weights were trained with x multiplied by the height and y by the width; on square
    images, which all presets use, the two are equal.
    """
    return position * (size_tensor([size], position)[0] - 1)


class Decoder(nn.Module):
    """Refines content and positions of all points in all frames of a window."""

    def __init__(self, c: DecoderConfig) -> None:
        super().__init__()
        C, D = c.width, c.depth
        layer = CostVolumeLayer if c.cost_volume else PositionUpdateLayer
        self.layers = nn.ModuleList(layer(c) for _ in range(D))
        self.place = PositionCode(C)
        position_heads = [mlp(C, C, C, 4) for _ in range(D)]
        class_heads = [nn.Linear(C, 3) for _ in range(D)]
        self.positions, self.classes = nn.ModuleList(position_heads), nn.ModuleList(class_heads)
        self.cost_volume = CostVolume(C, c.levels, D) if c.cost_volume else None
        self.fuse = None if c.cost_volume else mlp(2 * C, C, C, C)
        init_xavier(self)
        for position, label in zip(position_heads, class_heads, strict=True):
            nn.init.zeros_(position.get_parameter("4.weight"))
            nn.init.zeros_(position.get_parameter("4.bias"))
            nn.init.constant_(label.bias, -math.log(99))  # probability 0.01, for the focal loss
        self.refresh = mlp(2 * C, C, C)

    def forward(self, content: Tensor, logits: Tensor, window: Window) -> list[Refined]:
        """Refine, layer by layer.

        Args:
            content: ``[B, S, N, C]``.
            logits: ``[B, S, N, 4]``, of the positions.
            window: Memory and masks.

        Returns:
            The output of each of the D layers; outside training, only of the last one.
        """
        x, position = content, logits.sigmoid()
        volume = None
        if self.cost_volume is not None:
            volume = self.cost_volume.prepare(content, window.memory)
        done: list[Refined] = []
        for index, layer in enumerate(self.layers):
            x = self._layer_input(index, x, content, position, volume)
            code = pointwise(self.place, position)
            x, moved = layer(x, position, code, window)
            refined, position = self._heads(index, x, position, moved, window.updated)
            done = [*done, refined] if self.training else [refined]
        return done

    def _layer_input(
        self, index: int, x: Tensor, content: Tensor, position: Tensor, volume: Volume | None
    ) -> Tensor:
        """Add the initial content of the window and, in TAPTR, the cost volume."""
        if index > 0 or volume is not None:
            x = x + self.refresh(torch.cat([x, content], -1))
        if self.cost_volume is not None and volume is not None:
            x = self.cost_volume(index, x, position, volume)
        return x

    def _heads(
        self, index: int, x: Tensor, position: Tensor, moved: Tensor, updated: Tensor
    ) -> tuple[Refined, Tensor]:
        """Output of a layer, and the position that the next layer starts from."""
        anchor = base = logit(moved)
        after = None
        if self.fuse is not None:
            x = pointwise(partial(add_shift, self.fuse), x, moved[..., :2] - position[..., :2])
            # Clamped twice, as published, which changes positions near the border.
            after = anchor = logit(base.sigmoid())
        step = full_precision(self.positions[index], x.to(base.dtype)) * updated[..., None]
        refined = Refined(x, step + anchor, self.classes[index](x).to(base.dtype), after)
        return refined, (step + base).sigmoid().detach()


def add_shift(mix: nn.Module, x: Tensor, shift: Tensor) -> Tensor:
    """Add to the content how far the attention moved the point."""
    return mix(torch.cat([x, sine_code(shift, x.shape[-1] // 2).to(x.dtype)], -1))
