"""Gathering and summing samples of feature maps, and the readable reference."""

import pytest
import torch
from torch import Tensor

from motes.features.gather import (
    corners,
    deformable_sum_by_grid_sample,
    padded_table,
    weighted_sum,
)

SIZES = ((7, 5), (4, 3), (1, 2))
TOKENS = sum(h * w for h, w in SIZES)


def scene(spread: float = 1.0, M: int = 2, Q: int = 6, heads: int = 3) -> tuple[Tensor, ...]:
    """Values, places and attention; a `spread` above 1 puts many places outside the maps."""
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(M, TOKENS, heads * 4, generator=rng, dtype=torch.float64)
    size = torch.tensor([(w, h) for h, w in SIZES], dtype=torch.float64)[:, None]
    unit = torch.rand(M, Q, heads, len(SIZES), 2, 2, generator=rng, dtype=torch.float64)
    at = ((unit - 0.5) * spread + 0.5) * size - 0.5
    attention = torch.rand(M, Q, heads, len(SIZES), 2, generator=rng, dtype=torch.float64)
    return values, at, attention


def fast(values: Tensor, at: Tensor, attention: Tensor) -> Tensor:
    rows, share = corners(at, SIZES)
    weight = share * attention.flatten(-2)[:, :, :, None]
    table = padded_table(values, SIZES, at.shape[2], values.dtype)
    return weighted_sum(table, rows.flatten(3), weight.flatten(3))


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0, 100.0])
def test_fast_path_and_its_reference(spread: float) -> None:
    inputs = [t.requires_grad_() for t in scene(spread)]
    ours, reference = fast(*inputs), deformable_sum_by_grid_sample(inputs[0], SIZES, *inputs[1:])
    torch.testing.assert_close(ours, reference)
    direction = torch.randn(
        ours.shape, dtype=ours.dtype, generator=torch.Generator().manual_seed(1)
    )
    for a, b in zip(
        torch.autograd.grad(ours, inputs, direction),
        torch.autograd.grad(reference, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_a_pixel_centre_gives_that_pixel_and_far_outside_gives_zero() -> None:
    values = torch.arange(1.0, TOKENS + 1)[None, :, None]
    at = torch.tensor([[4.0, 6.0], [2.0, 3.0], [1.0, 0.0]]).view(1, 1, 1, 3, 1, 2)
    last = [35.0, 35.0 + 12, 35.0 + 12 + 2]
    rows, share = corners(at, SIZES)
    each = weighted_sum(padded_table(values, SIZES, 1, torch.float32), rows.mT, share.mT)
    assert each.flatten().tolist() == last
    rows, share = corners(at + 1e9, SIZES)
    each = weighted_sum(padded_table(values, SIZES, 1, torch.float32), rows.mT, share.mT)
    assert each.flatten().tolist() == [0.0, 0.0, 0.0]


def test_gradient_of_the_weighted_sum() -> None:
    rng = torch.Generator().manual_seed(0)
    table = torch.randn(9, 3, dtype=torch.float64, generator=rng, requires_grad=True)
    rows = torch.randint(0, 9, (2, 4, 5), generator=rng, dtype=torch.int32)
    weight = torch.randn(2, 4, 5, dtype=torch.float64, generator=rng, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t, w: weighted_sum(t, rows, w), (table, weight))
