"""Convolutions; those of 3x3 with fewer multiplications, by Winograd's algorithm.

A tile of 4x4 results needs 6x6 values, and 36 multiplications for each pair of channels instead of
the 144 of a direct convolution (Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks", 2016, F(4x4, 3x3)):

    conv(tile) = A' [(G w G') * (B' tile B)] A

The products, summed over the input channels, are 36 matrix products.  Transforming the values and
the sums takes additions only, but many of them, so that it pays for many channels alone; and it
takes many short steps, in which several threads would mostly wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE, SPAN = 4, 6
"""Side of a tile of results, and of the values that it needs."""

MIN_CHANNELS = 64
"""Channels from which Winograd's algorithm is faster, in one thread of a CPU in float32."""

MIN_PIXELS = 24 * 32
"""Pixels of a map from which this is so: transforming the weights costs as much for any map."""

WORKING_SET = 2**20
"""Elements of the transformed values and sums at a time: few enough to stay in the caches."""


def convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a convolution to ``[n, C, H, W]``; faster than to call it, with the same result."""
    if conv.groups > 1 or conv.dilation != (1, 1):
        found: Tensor = conv(x)
        return found
    return conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: str | Sequence[int] = (1, 1),
) -> Tensor:
    """`torch.nn.functional.conv2d`, by Winograd's algorithm where that is faster.

    Args:
        x: ``[n, C, H, W]``.
        weight: ``[out, C, h, w]``.
        bias: ``[out]``, or None.
        stride: Along y and x.
        padding: Rows and columns of zeros at each side, or a word as in PyTorch.

    Returns:
        ``[n, out, H', W']``; from Winograd's algorithm channels-last in memory.
    """
    same_size = weight.shape[2:] == (3, 3) and tuple(stride) == tuple(padding) == (1, 1)
    if same_size and _pays(x, weight):
        return winograd(x, weight, bias)
    return F.conv2d(x, weight, bias, stride, padding)


def _pays(x: Tensor, weight: Tensor) -> bool:
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or x.device.type != "cpu":
        return False
    if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or torch.get_num_threads() > 1:
        return False
    return min(weight.shape[:2]) >= MIN_CHANNELS and x[0, 0].numel() >= MIN_PIXELS


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve with padding 1; arguments and result as for `conv2d`.

    Compared with a direct convolution in float32, the error is about eight times as large, 1e-5 of
    the standard deviation of the results.
    """
    (n, C, H, W), out = x.shape, weight.shape[0]
    rows, columns = -(-H // TILE), -(-W // TILE)  # of tiles
    pad = (0, 0, 1, columns * TILE - W + 1, 1, rows * TILE - H + 1)
    values, kernel = F.pad(x.permute(0, 2, 3, 1), pad), _transformed_kernel(weight)
    result = x.new_empty(n, rows * TILE, columns * TILE, out)
    count = max(1, WORKING_SET // (SPAN * SPAN * columns * (C + out)))
    for image, into in zip(values, result.unflatten(1, (rows, TILE)), strict=True):
        for first in range(0, rows, count):
            band = into[first : first + count]
            needed = image[first * TILE : (first + len(band)) * TILE + SPAN - TILE]
            _convolve_band(needed, kernel, band)
    if bias is not None:
        result += bias
    return result[:, :H, :W].permute(0, 3, 1, 2)


def _convolve_band(values: Tensor, kernel: Tensor, result: Tensor) -> None:
    """Convolve some rows of tiles.

    Args:
        values: ``[4 rows + 2, 4 columns + 2, C]``.
        kernel: ``[36, C, out]``.
        result: ``[rows, 4, 4 columns, out]``; written.
    """
    (rows, _, width, out), columns = result.shape, result.shape[2] // TILE
    by_row = values.new_empty(SPAN, rows, *values.shape[1:])
    _transform(_every_fourth(values, 0, rows), by_row)
    transformed = values.new_empty(SPAN, SPAN, rows, columns, values.shape[-1])
    _transform(_every_fourth(by_row, 2, columns), transformed)
    sums = torch.bmm(transformed.view(SPAN * SPAN, rows * columns, -1), kernel)
    by_column = values.new_empty(SPAN, rows, columns, TILE, out)
    _gather(sums.view(SPAN, SPAN, rows, columns, out), by_column.permute(3, 0, 1, 2, 4))
    _gather(by_column.view(SPAN, rows, width, out), result.transpose(0, 1))


def _every_fourth(x: Tensor, axis: int, count: int) -> list[Tensor]:
    """The first to sixth of each six values of an axis, six for every fourth of `count`."""
    end = TILE * (count - 1) + 1
    return [x[(slice(None),) * axis + (slice(i, i + end, TILE),)] for i in range(SPAN)]


def _transform(x: Sequence[Tensor], y: Tensor) -> None:
    """Write the product with B' to ``y[0]`` to ``y[5]``; some of them hold terms of others first.

    B' = [4 0 -5 0 1 0], [0 -4 -4 1 1 0], [0 4 -4 -1 1 0],
         [0 -2 -1 2 1 0], [0 2 -1 -2 1 0], [0 4 0 -5 0 1]
    """
    torch.add(x[4], x[2], alpha=-5, out=y[0]).add_(x[0], alpha=4)
    even, odd = torch.add(x[4], x[2], alpha=-4, out=y[1]), torch.add(x[3], x[1], alpha=-4, out=y[5])
    torch.sub(even, odd, out=y[2])
    even.add_(odd)
    even, odd = torch.sub(x[4], x[2], out=y[3]), torch.sub(x[3], x[1], out=y[5])
    torch.sub(even, odd, alpha=2, out=y[4])
    even.add_(odd, alpha=2)
    torch.add(x[5], x[3], alpha=-5, out=y[5]).add_(x[1], alpha=4)


def _gather(x: Tensor, y: Tensor) -> None:
    """Write the product with A' to ``y[0]`` to ``y[3]``.

    A' = [1 1 1 1 1 0], [0 1 -1 2 -2 0], [0 1 1 4 4 0], [0 1 -1 8 -8 1]
    """
    sum_1, difference_1 = x[1] + x[2], x[1] - x[2]
    sum_2, difference_2 = x[3] + x[4], x[3] - x[4]
    torch.add(x[0], sum_1, out=y[0]).add_(sum_2)
    torch.add(difference_1, difference_2, alpha=2, out=y[1])
    torch.add(sum_1, sum_2, alpha=4, out=y[2])
    torch.add(difference_1, difference_2, alpha=8, out=y[3]).add_(x[5])


def _transformed_kernel(weight: Tensor) -> Tensor:
    """``[out, C, 3, 3]`` as ``[36, C, out]``; of the 36, columns are slow."""
    out, C = weight.shape[:2]
    taps = weight.permute(3, 2, 1, 0).reshape(9, C * out)
    return (_kernel_matrix() @ taps).view(SPAN * SPAN, C, out)


@cache
def _kernel_matrix() -> Tensor:
    """G in both directions, ``[36, 9]``."""
    G = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
    matrix = torch.tensor(G, dtype=torch.float64) / 24
    return torch.kron(matrix, matrix).float()
