"""Attention among the points of a frame, or among the frames of a point.

`GroupAttention` is the full attention of TAPTR; its cost is quadratic in the number of points,
which the paper names as a limitation.  In `ProxyAttention` a few learned proxy tokens attend to all
points, and all points attend to the proxies, so that the cost is linear in the number of points
(like the induced set attention of Lee et al., "Set Transformer", 2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCORES_AT_ONCE = 2**24
"""Largest number of elements of a mask, while no gradients are recorded."""


class GroupAttention(nn.Module):
    """Multi-head attention within two groups of tokens; queries and keys include position codes.

    Args:
        width: Of the tokens.
        heads: Number of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.input = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, code: Tensor, group: Tensor) -> Tensor:
        """Attend.

        Args:
            x: ``[M, N, C]``.
            code: ``[M, N, C]``, added to queries and keys.
            group: bool ``[M, N]``; tokens attend only to tokens of the same group.

        Returns:
            ``[M, N, C]``.
        """
        C = x.shape[-1]
        weight, bias = self.input.weight, self.input.bias
        q, k = F.linear(x + code, weight[: 2 * C], bias[: 2 * C]).chunk(2, -1)
        v = F.linear(x, weight[2 * C :], bias[2 * C :])
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
        return self.output(attend_in_groups(q, k, v, group).transpose(1, 2).flatten(2))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """``[M, N, C]`` to ``[M, heads, N, C / heads]``."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attend_in_groups(q: Tensor, k: Tensor, v: Tensor, group: Tensor) -> Tensor:
    """Attention ``[M, heads, N, d]`` of token i to all tokens j with ``group[i] == group[j]``.

    Without a mask memory is linear in N.  A mask has N squared entries, so it is made for a block
    of rows at a time; the results are the same.
    """
    if certainly(group == group[:, :1]):
        return F.scaled_dot_product_attention(q, k, v)
    rows = q.shape[2]
    if not torch.is_grad_enabled():
        rows = max(1, SCORES_AT_ONCE // group.numel())
    parts = zip(q.split(rows, 2), group.split(rows, 1), strict=True)
    masks = (
        (part, (rows_group[:, :, None] == group[:, None])[:, None]) for part, rows_group in parts
    )
    return torch.cat([F.scaled_dot_product_attention(part, k, v, mask) for part, mask in masks], 2)


def certainly(mask: Tensor) -> bool:
    """Whether all of a mask is true; never in an exported graph, whose branches read no values."""
    return not torch.compiler.is_exporting() and bool(mask.all())


class ProxyAttention(nn.Module):
    """Points exchange information through learned proxy tokens, at a cost linear in their number.

    The proxies attend only to points with ``group`` true; every point gets an output.

    Args:
        width: Of the tokens.
        heads: Number of heads.
        proxies: Number of proxy tokens K.
    """

    def __init__(self, width: int, heads: int, proxies: int) -> None:
        super().__init__()
        self.heads = heads
        self.proxies = nn.Parameter(torch.randn(proxies, width))
        self.gather_q = nn.Linear(width, width)
        self.gather_kv = nn.Linear(width, 2 * width)
        self.gather_output = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.spread_q = nn.Linear(width, width)
        self.spread_kv = nn.Linear(width, 2 * width)
        self.spread_output = nn.Linear(width, width)

    def forward(self, x: Tensor, code: Tensor, group: Tensor) -> Tensor:
        """Attend; arguments and result as for `GroupAttention`."""
        placed = x + code
        seen = group | ~group.any(1, keepdim=True)  # a row without any key would give NaN
        mask = None if certainly(seen) else seen[:, None, None]
        proxies = self.proxies.expand(x.shape[0], -1, -1)
        found = self._attend(self.gather_q(proxies), self.gather_kv(placed), mask)
        proxies = self.norm(proxies + self.gather_output(found))
        return self.spread_output(self._attend(self.spread_q(placed), self.spread_kv(proxies)))

    def _attend(self, q: Tensor, kv: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = (split_heads(t, self.heads) for t in (q, *kv.chunk(2, -1)))
        return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)
