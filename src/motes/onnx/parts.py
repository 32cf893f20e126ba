"""Graphs that several models share."""

from __future__ import annotations

from torch import Tensor, nn

from motes.features.correlation import query_patches


class Patches(nn.Module):
    """Features around queries, per level ``[1, N, (2r+1)^2, C]``."""

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, levels: list[Tensor], frame: Tensor, cells: Tensor) -> tuple[Tensor, ...]:
        """Sample.

        Args:
            levels: Of the encoder, ``[1, T, h, w, C]``.
            frame: int64 ``[1, N]``, counted in `levels`.
            cells: ``[1, N, 2]``, positions in cells of the first level.
        """
        return tuple(query_patches(levels, frame, cells, self.radius))
