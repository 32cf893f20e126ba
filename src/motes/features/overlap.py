"""Queries of a window, and the overlap of consecutive windows."""

from __future__ import annotations

import torch
from torch import Tensor


def query_in_window(queries: Tensor, start: int, frames: int) -> tuple[Tensor, Tensor]:
    """Find the queries that lie in a window.

    Args:
        queries: ``[B, N, 3]`` (t, x, y); t is truncated to a whole number.
        start: Number of the window's first frame.
        frames: Number of frames of the window that exist.

    Returns:
        int64 ``[B, N]``, frame in the window (the nearest one, for a query outside), and bool
        ``[B, N]``, whether the query is inside.
    """
    t = queries[..., 0].long() - start
    return t.clamp(0, frames - 1), (t >= 0) & (t < frames)


def repeat_last(overlap: Tensor, length: int) -> Tensor:
    """Extend ``[B, N, K, D]`` to `length` frames by repeating the last one."""
    missing = length - overlap.shape[2]
    return torch.cat([overlap, overlap[:, :, -1:].expand(-1, -1, missing, -1)], 2)


def frames_first(x: Tensor, frames: int) -> Tensor:
    """``[B, N, S, D]`` to ``[B, T, N, D]``, of the first `frames` frames."""
    return x[:, :, :frames].transpose(1, 2)
