"""Averaged weights, which are validated and released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """An exponential moving average of a model's parameters; buffers are copied.

    Args:
        model: The model.
        decay: Decay of the average.  It starts lower, so that the first steps soon lose weight.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.weights = {name: v.detach().clone() for name, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the weights after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in self.model.state_dict().items():
            mean = self.weights[name]
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context, the model has the averaged weights."""
        own = {name: v.detach().clone() for name, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.weights)
        try:
            yield
        finally:
            self.model.load_state_dict(own)
