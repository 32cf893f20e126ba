"""`Pyramid`: the feature maps of some frames as one list of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Sizes = tuple[tuple[int, int], ...]
"""Height and width of each map."""


@dataclass(frozen=True)
class Pyramid:
    """Feature maps of M frames as one list of tokens.

    Attributes:
        tokens: ``[M, sum of h * w, C]``, map after map, row by row.
        sizes: Height and width of each map.
    """

    tokens: Tensor
    sizes: Sizes

    @staticmethod
    def of(maps: Sequence[Tensor]) -> Pyramid:
        """From maps ``[M, C, h, w]``."""
        tokens = torch.cat([m.flatten(2).mT for m in maps], 1)
        return Pyramid(tokens, tuple((m.shape[2], m.shape[3]) for m in maps))

    def maps(self) -> list[Tensor]:
        """The maps ``[M, h, w, C]``, as views."""
        parts = self.tokens.split([h * w for h, w in self.sizes], 1)
        return [p.unflatten(1, size) for p, size in zip(parts, self.sizes, strict=True)]


def size_tensor(sizes: Sequence[Sequence[int]], like: Tensor) -> Tensor:
    """Sizes ``[L, 2]`` in the order given, of the type and on the device of another tensor."""
    if not torch.compiler.is_exporting():
        return like.new_tensor(sizes)
    # One by one, so that sizes stay symbols and the exported graph takes maps of any size.
    numbers = [like.new_full((), number) for size in sizes for number in size]
    return torch.stack(numbers).view(-1, 2)
