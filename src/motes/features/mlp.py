"""Multi-layer perceptrons, and modules whose output becomes a position."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def full_precision(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module without autocast, in the type of its weights: positions are not rounded."""
    weight = next(module.parameters(), torch.empty(0))
    with torch.autocast(x.device.type, enabled=False):
        return module(x.to(weight.dtype))
