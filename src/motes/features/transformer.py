"""The transformers that refine tracks: attention over time, then over the points of a frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from motes.features.attention import CrossBlock, SelfBlock, init_linear
from motes.features.linear import linear
from motes.features.proxy import certainly


class ProxyTransformer(nn.Module):
    """Points exchange information through a few virtual tracks (CoTracker3, section 3.3).

    With V virtual tracks the cost of attention is proportional to N V, not to N squared.

    Args:
        in_channels: Width of the input tokens.
        width: Width inside.
        heads: Heads of every attention.
        depth: Number of rounds of time and space attention.
        virtual_tracks: Number of virtual tracks.
        ratio: Hidden width of the MLPs over `width`.
        as_published: Whether to use the masks of the published models, see `mask_biases`.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        heads: int,
        depth: int,
        virtual_tracks: int,
        ratio: int = 4,
        as_published: bool = True,
    ) -> None:
        super().__init__()
        self.out_channels = width
        self.as_published = as_published
        self.input = nn.Linear(in_channels, width)
        self.virtual_tracks = nn.Parameter(torch.randn(1, virtual_tracks, 1, width))

        def blocks(kind: type[nn.Module]) -> nn.ModuleList:
            return nn.ModuleList(kind(width, heads, ratio) for _ in range(depth))

        self.time = blocks(SelfBlock)
        self.gather = blocks(CrossBlock)  # virtual tracks attend to points
        self.virtual = blocks(SelfBlock)  # virtual tracks attend to each other
        self.spread = blocks(CrossBlock)  # points attend to virtual tracks
        init_linear(self)

    def forward(self, tokens: Tensor, known: Tensor | None = None) -> Tensor:
        """Refine tokens.

        Args:
            tokens: ``[B, N, T, D]``.
            known: bool ``[B, N]``, points that are attended to; None: all.  The others still get
                an output.

        Returns:
            ``[B, N, T, width]``.
        """
        B, T, M = len(tokens), tokens.shape[2], self.virtual_tracks.shape[1]
        to_points, to_virtual = mask_biases(
            known, M if self.as_published else None, T, tokens.dtype
        )
        points = linear(self.input, tokens)  # [B, N, T, width]
        # Until they attend to points, virtual tracks are the same in all frames and videos.
        virtual = self.virtual_tracks.to(tokens.dtype)  # [1, M, 1, width]
        rounds = zip(self.time, self.gather, self.virtual, self.spread, strict=True)
        for time, gather, among, spread in rounds:
            points, virtual = (_by_frame(_over_time(time, x)) for x in (points, virtual))
            virtual = among(gather(virtual, points, to_points))
            points = spread(points, virtual, to_virtual)
            points, virtual = (_by_point(x, B) for x in (points, virtual))
        return points


def _over_time(block: nn.Module, x: Tensor) -> Tensor:
    """Apply a block to the frames of each point; ``[B, N, T, width]`` to the same."""
    updated: Tensor = block(x.flatten(0, 1))
    return updated.unflatten(0, x.shape[:2])


def _by_frame(x: Tensor) -> Tensor:
    """``[B, N, T, width]`` to ``[B T, N, width]``."""
    return x.transpose(1, 2).flatten(0, 1)


def _by_point(x: Tensor, videos: int) -> Tensor:
    """``[B T, N, width]`` to ``[B, N, T, width]``."""
    return x.unflatten(0, (videos, -1)).transpose(1, 2)


def mask_biases(
    known: Tensor | None, virtual_tracks: int | None, frames: int, dtype: torch.dtype
) -> tuple[Tensor | None, Tensor | None]:
    """Additive attention biases that mask unknown points.

    The bias is finite, so that a row in which everything is masked becomes a plain average.  If
    the number of points equals that of virtual tracks, the published model masks rows instead of
    keys where virtual tracks attend to points; this is kept for equal results.

    Args:
        known: bool ``[B, N]`` or None.
        virtual_tracks: Number of virtual tracks; None: always mask keys.
        frames: Number of frames; they share the mask.
        dtype: Of the attention scores.

    Returns:
        For virtual tracks attending to points, and for points attending to virtual tracks; each
        broadcasts to ``[B T, heads, queries, keys]``.
    """
    if known is None or certainly(known):
        return None, None
    bias = torch.zeros(known.shape, dtype=dtype, device=known.device)
    bias = bias.masked_fill(~known, torch.finfo(dtype).min).repeat_interleave(frames, 0)
    rows, keys = bias[:, None, :, None], bias[:, None, None, :]
    return (rows if known.shape[1] == virtual_tracks else keys), rows


class AxialTransformer(nn.Module):
    """Alternating attention over time and over points (CoTracker, section 3.2).

    Args:
        in_channels: Width of the input tokens.
        width: Width inside.
        heads: Heads of every attention.
        depth: Number of rounds.
        ratio: Hidden width of the MLPs over `width`.
    """

    def __init__(
        self, in_channels: int, width: int, heads: int, depth: int, ratio: int = 4
    ) -> None:
        super().__init__()
        self.out_channels = width
        self.input = nn.Linear(in_channels, width)
        self.time = nn.ModuleList(SelfBlock(width, heads, ratio) for _ in range(depth))
        self.space = nn.ModuleList(SelfBlock(width, heads, ratio) for _ in range(depth))
        init_linear(self)

    def forward(self, tokens: Tensor) -> Tensor:
        """Refine tokens ``[B, N, T, D]`` to ``[B, N, T, width]``."""
        x = self.input(tokens)
        B, N, T, _ = x.shape
        for time, space in zip(self.time, self.space, strict=True):
            x = time(x.flatten(0, 1)).unflatten(0, (B, N)).transpose(1, 2)
            x = space(x.flatten(0, 1)).unflatten(0, (B, T)).transpose(1, 2)
        return x
