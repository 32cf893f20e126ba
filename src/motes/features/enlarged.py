"""A 3x3 convolution of maps of several sizes, which would be enlarged and joined first.

Bilinear enlargement and convolution are both linear.  So the products with the weights can be taken
in the small map, which has a fourth or a sixteenth of the pixels, and only then be enlarged:

    conv(enlarge(x))[i, j] = sum over r, s, a, b: rows[i, a, r] columns[j, b, s] (x[r, s] w[a, b])

where a and b count the rows and columns of the kernel.  CoTracker's encoder spends almost half of
its operations in this convolution, of 416 channels; computed like this it takes less than two
thirds of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.features.linear import product
from motes.features.winograd import conv2d

KERNEL = 3
"""Side of the kernel."""

SMALL_MAP = 64 * 64
"""Pixels of a result up to which its maps are joined: the steps below would be too short to pay."""

ROWS, COLUMNS = 12, 64
"""Size of the parts in which a map is enlarged: few enough that most of their weights count."""


def conv_of_joined(conv: nn.Conv2d, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Convolve maps, each of which is brought to one size and given its share of the weights.

    `conv_by_joining` is the readable reference, which is used where gradients are recorded, for
    small results, and on accelerators, for which the products with small maps are too small.

    Args:
        conv: 3x3 with padding 1; its input channels are those of all maps together.
        maps: ``[n, C, h, w]``, channels-last in memory.
        size: Height and width of the result.

    Returns:
        ``[n, out channels, *size]``, channels-last in memory.
    """
    small_result = size[0] * size[1] <= SMALL_MAP
    if small_result or torch.is_grad_enabled() or maps[0].device.type != "cpu":
        return conv_by_joining(conv, maps, size)
    weights = conv.weight.split([x.shape[1] for x in maps], 1)
    pairs = list(zip(maps, weights, strict=True))
    small = [(x, w) for x, w in pairs if 2 * x[0, 0].numel() <= size[0] * size[1]]
    large = [(x, w) for x, w in pairs if 2 * x[0, 0].numel() > size[0] * size[1]]
    if not small or not large:
        return conv_by_joining(conv, maps, size)
    joined = torch.cat([resize(x, size) for x, _ in large], 1)
    kernel = torch.cat([w for _, w in large], 1)
    total = conv2d(joined, kernel, conv.bias)
    for x, weight in small:
        _add_enlarged(total, x, weight)
    return total


def conv_by_joining(conv: nn.Conv2d, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """The readable reference of `conv_of_joined`: enlarge, join, convolve."""
    joined: Tensor = conv(torch.cat([resize(x, size) for x in maps], 1))
    return joined


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize bilinearly, with aligned corners."""
    if list(x.shape[-2:]) == list(size):
        return x
    return F.interpolate(x, list(size), mode="bilinear", align_corners=True)


def _add_enlarged(total: Tensor, x: Tensor, weight: Tensor) -> None:
    """Add the convolution of one enlarged map.

    Args:
        total: ``[n, out, H, W]``, channels-last in memory; changed.
        x: ``[n, C, h, w]``.
        weight: ``[out, C, 3, 3]``.
    """
    (out, H), (C, h, w) = total.shape[1:3], x.shape[1:]
    kernel = weight.permute(2, 3, 0, 1).reshape(KERNEL, KERNEL * out, C)
    for result, pixels in zip(total.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1), strict=True):
        products = [product(pixels, part).view(h, w * KERNEL * out) for part in kernel]
        for band in bands(h, H, ROWS, total.dtype):
            (rows, first), *others = zip(band.weights.unbind(1), products, strict=True)
            strip = rows @ first[band.small]
            for rows, some in others:
                strip.addmm_(rows, some[band.small])
            _add_strip(result[band.large], strip.view(-1, w, KERNEL * out))


def _add_strip(result: Tensor, strip: Tensor) -> None:
    """Add some rows ``[n, w, 3 out]``, of which the columns are still small, to ``[n, W, out]``."""
    (n, W, out), w = result.shape, strip.shape[1]
    for band in bands(w, W, COLUMNS, result.dtype):
        columns = band.weights.transpose(1, 2).flatten(1)  # [columns, w 3]
        found = strip[:, band.small].reshape(n, columns.shape[1], out)
        result[:, band.large].baddbmm_(columns.expand(n, -1, -1), found)


class Band(NamedTuple):
    """Consecutive rows (or columns) of a large map, and those of the small one that they need.

    Attributes:
        large: Rows of the large map.
        small: Rows of the small map.
        weights: ``[rows of the large map, 3, rows of the small map]``, of the latter in the three
            enlarged rows that the kernel sees; zero where these are padding.
    """

    large: slice
    small: slice
    weights: Tensor


@cache
def bands(small: int, large: int, count: int, dtype: torch.dtype) -> list[Band]:
    """Bands of `count` rows of a map of `large` rows that is enlarged from `small` rows."""
    enlarged = resize(torch.eye(small)[None, None], (large, small))[0, 0]
    padded = F.pad(enlarged, (0, 0, 1, 1))
    weights = torch.stack([padded[first : first + large] for first in range(KERNEL)], 1)
    found = []
    for first in range(0, large, count):
        rows = slice(first, min(first + count, large))
        needed = weights[rows].sum((0, 1)).nonzero().flatten().tolist()
        columns = slice(needed[0], needed[-1] + 1)
        found.append(Band(rows, columns, weights[rows, :, columns].to(dtype)))
    return found
