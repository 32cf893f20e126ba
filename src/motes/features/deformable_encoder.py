"""The deformable transformer encoder of TAPTR: the maps of a frame exchange information."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from motes.features.deformable import DeformableAttention, init_xavier
from motes.features.mlp import mlp
from motes.features.positions import image_code
from motes.features.pyramid import Pyramid, Sizes


class DeformableEncoderLayer(nn.Module):
    """Deformable attention among the tokens of a frame, then an MLP, with post-norm."""

    def __init__(self, width: int, heads: int, levels: int, samples: int, hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(width, heads, levels, samples)
        self.norm1 = nn.LayerNorm(width)
        self.mlp = mlp(width, hidden, width)
        self.norm2 = nn.LayerNorm(width)
        init_xavier(self)
        nn.init.zeros_(self.attention.offsets.weight)

    def forward(self, memory: Pyramid, code: Tensor, position: Tensor) -> Pyramid:
        """Apply the layer.

        Args:
            memory: Tokens of M frames.
            code: ``[tokens, C]``, added to the queries.
            position: ``[M, tokens, 2]`` (x, y) of the tokens, normalised.

        Returns:
            The refined tokens.
        """
        x = memory.tokens
        x = self.norm1(x + self.attention(x + code, position, memory))
        return Pyramid(self.norm2(x + self.mlp(x)), memory.sizes)


class DeformableEncoder(nn.Module):
    """Multi-scale encoder of Deformable DETR (section 4.1), as TAPTR uses it (section 3.2).

    Args:
        width: Of the tokens.
        heads: Number of heads.
        levels: Number of maps.
        samples: Sampling positions per head and map.
        hidden: Hidden width of the MLPs.
        depth: Number of layers.
    """

    def __init__(
        self, width: int, heads: int, levels: int, samples: int, hidden: int, depth: int
    ) -> None:
        super().__init__()
        self.level_code = nn.Parameter(torch.randn(levels, width))
        self.layers = nn.ModuleList(
            DeformableEncoderLayer(width, heads, levels, samples, hidden) for _ in range(depth)
        )

    def forward(self, maps: Sequence[Tensor]) -> Pyramid:
        """Encode maps ``[M, C, h, w]`` of M frames."""
        memory = Pyramid.of(maps)
        codes = image_code(memory.sizes, self.level_code.shape[1], self.level_code.device)
        code = torch.cat([c + level for c, level in zip(codes, self.level_code, strict=True)])
        position = cell_centres(memory.sizes, code.device).expand(memory.tokens.shape[0], -1, -1)
        for layer in self.layers:
            memory = layer(memory, code, position)
        return memory


def cell_centres(sizes: Sizes, device: torch.device) -> Tensor:
    """Normalised (x, y) of every token, float32 ``[tokens, 2]``."""
    centres = []
    for h, w in sizes:
        y = (torch.arange(h, device=device) + 0.5) / h
        x = (torch.arange(w, device=device) + 0.5) / w
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack([columns, rows], -1).flatten(0, 1))
    return torch.cat(centres)
