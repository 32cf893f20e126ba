"""Attention blocks with pre-norm, and what they are put together from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.features.linear import linear

ROWS = 2048
"""Tokens that go through an MLP together on a CPU; what lies between its layers stays cached."""


class Attention(nn.Module):
    """Multi-head attention from `x` to `context`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(width, 2 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: ``[n, Q, width]``, or ``[1, Q, width]`` if it is the same for all n.
            context: ``[n, K, width]``.
            bias: Added to the scores, broadcast to ``[n, heads, Q, K]``.

        Returns:
            ``[n, Q, width]``.
        """
        n = context.shape[0]  # not len(context): an exported graph would have a fixed number
        q = self._split(linear(self.to_q, x)).expand(n, -1, -1, -1)
        k, v = (self._split(half) for half in linear(self.to_kv, context).chunk(2, -1))
        return linear(self.to_out, attend(q, k, v, bias).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        d = x.shape[-1] // self.heads
        return x.unflatten(-1, (self.heads, d)).transpose(1, 2)  # [n, heads, L, d]


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attention ``[n, heads, Q, d]``; in float32 when trained on a CPU.

    There, the gradient of PyTorch's bfloat16 kernel takes eight times as long.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or not q.requires_grad:
        return F.scaled_dot_product_attention(q, k, v, bias)
    with torch.autocast("cpu", enabled=False):
        bias = None if bias is None else bias.float()
        out = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), bias)
    return out.to(q.dtype)


class MLP(nn.Module):
    """Two linear layers with a tanh-approximated GELU between."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map each token, ``[..., width]``."""
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return self._map(x)
        return torch.cat([self._map(part) for part in x.flatten(0, -2).split(ROWS)]).view_as(x)

    def _map(self, x: Tensor) -> Tensor:
        return linear(self.fc2, linear(self.fc1, x, "tanh"))


def plain_norm(x: Tensor) -> Tensor:
    """Layer norm without parameters."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


class SelfBlock(nn.Module):
    """Attention among tokens, then an MLP for each."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.mlp = MLP(width, ratio)

    def forward(self, x: Tensor) -> Tensor:
        """Update tokens ``[n, L, width]``."""
        y = plain_norm(x)
        x = self.attention(y, y).add_(x)
        return self.mlp(plain_norm(x)).add_(x)


class CrossBlock(nn.Module):
    """Attention from tokens to a context, then an MLP for each token."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm_context = nn.LayerNorm(width, eps=1e-5)
        self.attention = Attention(width, heads)
        self.mlp = MLP(width, ratio)

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None = None) -> Tensor:
        """Update tokens; arguments and result as in `Attention`."""
        x = self.attention(plain_norm(x), self.norm_context(context), bias).add_(x)
        return self.mlp(plain_norm(x)).add_(x)


def init_linear(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every linear layer inside."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
