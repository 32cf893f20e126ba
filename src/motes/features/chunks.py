"""Attention applied in chunks, so that what it samples takes little memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from motes.features.pyramid import Pyramid

QUERIES_PER_CHUNK = 1024
"""Queries whose samples are held together while no gradients are recorded."""


def chunk_size(query: Tensor) -> int:
    """Queries of each frame per chunk, for queries ``[M, Q, C]`` of M frames."""
    return max(1, QUERIES_PER_CHUNK // query.shape[0])


def in_chunks(function: Callable[..., Tensor], size: int, *tensors: Tensor) -> Tensor:
    """Apply a function to chunks of the queries, which are axis 1, and join the results.

    While gradients are recorded chunks save no memory, and all queries are processed at once.
    """
    if torch.is_grad_enabled() or tensors[0].shape[1] <= size:
        return function(*tensors)
    parts = zip(*(t.split(size, 1) for t in tensors), strict=True)
    return torch.cat([function(*part) for part in parts], 1)


def frame_by_frame(
    attend: Callable[[Tensor, Tensor, Pyramid], Tensor],
    query: Tensor,
    position: Tensor,
    memory: Pyramid,
) -> Tensor:
    """Apply attention to each frame separately, so that its maps stay in a CPU's caches.

    All frames at once while gradients are recorded, and on accelerators.
    """
    tokens = memory.tokens
    if torch.is_grad_enabled() or tokens.device.type != "cpu":
        return attend(query, position, memory)
    parts = zip(query.split(1), position.split(1), tokens.split(1), strict=True)
    return torch.cat([attend(q, p, Pyramid(t, memory.sizes)) for q, p, t in parts])
