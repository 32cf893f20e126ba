import math

import pytest
import torch

from motes.features.positions import image_code, logit, sine_code


@pytest.mark.parametrize("p", [0.001, 0.25, 0.5, 0.9, 0.999])
def test_logit_is_the_inverse_of_the_sigmoid_inside(p: float) -> None:
    assert logit(torch.tensor(p, dtype=torch.float64)).sigmoid().item() == pytest.approx(p)


@pytest.mark.parametrize("p", [-1.0, 0.0, 0.0005])
def test_logit_is_limited_near_the_border(p: float) -> None:
    low, high = logit(torch.tensor([p, 1 - p], dtype=torch.float64)).sigmoid().tolist()
    assert low == pytest.approx(0.001, abs=1e-5)
    assert high == pytest.approx(0.999, abs=1e-5)


def by_definition(value: float, width: int) -> list[float]:
    """Entry k has the divisor 10^(2 floor(k/2) / width)."""
    angles = (value / 10 ** (2 * (k // 2) / width) for k in range(width))
    return [math.cos(e) if k % 2 else math.sin(e) for k, e in enumerate(angles)]


def test_sine_code_lists_y_before_x() -> None:
    x, y, w, h = 0.2, 0.7, 0.5, 0.4
    expected = [v for c in (y, x, w, h) for v in by_definition(2 * math.pi * c, 8)]
    torch.testing.assert_close(sine_code(torch.tensor([x, y, w, h]), 8), torch.tensor(expected))
    torch.testing.assert_close(sine_code(torch.tensor([x, y]), 8), torch.tensor(expected[:16]))


def test_image_code_counts_cells_from_one() -> None:
    first, second = image_code(((2, 3), (1, 1)), 8, torch.device("cpu"))
    assert first.shape == (6, 8)
    turn = 2 * math.pi
    row, column = 2 / 2 * turn, 1 / 3 * turn
    expected = by_definition(row, 4) + by_definition(column, 4)
    torch.testing.assert_close(first[3], torch.tensor(expected), atol=1e-5, rtol=0)
    assert second.shape == (1, 8)
