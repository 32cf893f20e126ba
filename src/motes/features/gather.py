"""Sampling feature maps for deformable attention: one weighted sum over gathered pixels.

The output of a head is one weighted sum over the pixels around all its sampling positions.
`corners` finds these pixels and their weights; `weighted_sum` gathers and adds them in one pass,
without storing what it gathers.  `deformable_sum_by_grid_sample` is the slow, readable reference,
and what exported graphs do: ONNX has an operator for grid samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from motes.features.pyramid import Pyramid, Sizes, size_tensor

PAD_BEFORE, PAD_AFTER = 1, 2
"""Rows and columns of zeros around a map: all four pixels around a clamped position are inside."""


def padded_table(values: Tensor, sizes: Sizes, heads: int, dtype: torch.dtype) -> Tensor:
    """Features of all heads as the rows of one table, with zeros around every map.

    Args:
        values: ``[M, tokens, heads * d]``.
        sizes: Height and width of the maps.
        heads: Number of heads.
        dtype: Of the table.

    Returns:
        ``[M * padded tokens * heads, d]``, in the order frame, map, row, column, head.
    """
    areas, start = padded_areas(sizes), 0
    M, _, C = values.shape
    table = torch.zeros(M, sum(areas), C, dtype=dtype, device=values.device)
    for maps, (h, w), area in zip(Pyramid(values, sizes).maps(), sizes, areas, strict=True):
        region = table[:, start : start + area].unflatten(1, (-1, PAD_BEFORE + w + PAD_AFTER))
        region[:, PAD_BEFORE : PAD_BEFORE + h, PAD_BEFORE : PAD_BEFORE + w] = maps
        start += area
    return table.view(-1, C // heads)


def padded_areas(sizes: Sizes) -> list[int]:
    """Pixels of each map, its padding included."""
    return [(PAD_BEFORE + h + PAD_AFTER) * (PAD_BEFORE + w + PAD_AFTER) for h, w in sizes]


def corners(at: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """The four pixels around each position, and their bilinear weights.

    Args:
        at: ``[M, Q, heads, L, P, 2]`` (x, y), in pixels of each of the L maps.
        sizes: Height and width of these.

    Returns:
        Rows of `padded_table`, int32 ``[M, Q, heads, 4, L * P]``, and weights of the same shape.
    """
    size = size_tensor(sizes, at).flip(-1)[:, None]
    at = at.clamp(min=-1).minimum(size)  # all zeros beyond
    floor = at.floor()
    x1, y1 = (at - floor).unbind(-1)
    x0, y0 = 1 - x1, 1 - y1
    weight = torch.stack([y0 * x0, y0 * x1, y1 * x0, y1 * x1], 3)
    origin, width = _layout(at.shape[0], at.shape[2], sizes, at.device)
    column, row = floor.int().unbind(-1)
    top_left = origin + (row * width + column) * at.shape[2]
    offsets = torch.stack([0 * width, 0 * width + 1, width, width + 1]) * at.shape[2]  # [4, L, 1]
    return (top_left[:, :, :, None] + offsets).flatten(-2), weight.flatten(-2)


def _layout(frames: int, heads: int, sizes: Sizes, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row of each map's first pixel ``[M, 1, heads, L, 1]`` and padded widths ``[L, 1]``, int32."""
    areas, widths = padded_areas(sizes), [PAD_BEFORE + w + PAD_AFTER for _, w in sizes]
    firsts = [sum(areas[:level]) + PAD_BEFORE * (w + 1) for level, w in enumerate(widths)]
    first, width = torch.tensor([firsts, widths], dtype=torch.int32, device=device)[..., None]
    frame = torch.arange(frames, dtype=torch.int32, device=device).view(-1, 1, 1, 1, 1)
    head = torch.arange(heads, dtype=torch.int32, device=device).view(-1, 1, 1)
    return (frame * sum(areas) + first) * heads + head, width


def weighted_sum(table: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of rows of a table ``[rows, d]`` over the last axis of `rows`: ``[..., d]``."""
    R = rows.shape[-1]
    found = _WeightedSum.apply(table, rows.reshape(-1, R), weight.reshape(-1, R))
    return found.view(*rows.shape[:-1], table.shape[1])


class _WeightedSum(torch.autograd.Function):
    """`embedding_bag` with a faster gradient for its table.

    The sum is a sparse matrix times the table; so the gradient of the table is the transposed
    matrix times the gradient of the sums, and again an `embedding_bag`, once the rows are sorted.
    """

    @staticmethod
    def forward(ctx, table: Tensor, rows: Tensor, weight: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(table, rows, weight)
        return F.embedding_bag(rows, table, mode="sum", per_sample_weights=weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None]:  # type: ignore[no-untyped-def]
        table, rows, weight = ctx.saved_tensors
        to_table = (
            _table_gradient(grad, rows, weight, len(table)) if ctx.needs_input_grad[0] else None
        )
        if not ctx.needs_input_grad[2]:
            return to_table, None, None
        with torch.enable_grad():
            again = weight.detach().requires_grad_()
            out = F.embedding_bag(rows, table, mode="sum", per_sample_weights=again)
        return to_table, None, torch.autograd.grad(out, again, grad)[0]


def _table_gradient(grad: Tensor, rows: Tensor, weight: Tensor, size: int) -> Tensor:
    """Row r of the result: the sum of ``weight * grad`` over all reads of row r."""
    sorted_rows, order = rows.flatten().sort()
    numbers = torch.arange(size, dtype=sorted_rows.dtype, device=sorted_rows.device)
    offsets = torch.searchsorted(sorted_rows, numbers, out_int32=True)
    reader = (order // rows.shape[1]).int()
    return F.embedding_bag(
        reader, grad, offsets, mode="sum", per_sample_weights=weight.flatten()[order]
    )


def deformable_sum_by_grid_sample(
    values: Tensor, sizes: Sizes, at: Tensor, attention: Tensor
) -> Tensor:
    """The readable reference of `padded_table`, `corners` and `weighted_sum`: sample, weigh, add.

    Args:
        values: ``[M, tokens, heads * d]``.
        sizes: Height and width of the L maps.
        at: ``[M, Q, heads, L, P, 2]``, in pixels of each map.
        attention: ``[M, Q, heads, L, P]``.

    Returns:
        ``[M, Q, heads, d]``.
    """
    total = values.new_zeros(())
    for level, found in enumerate(samples_by_grid_sample(values, sizes, at)):
        weights = attention[:, :, :, level].transpose(1, 2)
        total = total + (found * weights[:, :, None]).sum(-1)  # [M, heads, d, Q]
    return total.permute(0, 3, 1, 2)


def samples_by_grid_sample(values: Tensor, sizes: Sizes, at: Tensor) -> Iterator[Tensor]:
    """Bilinear samples; arguments as above, per map ``[M, heads, d, Q, P]``."""
    heads = at.shape[2]
    for level, maps in enumerate(Pyramid(values, sizes).maps()):
        planes = maps.unflatten(-1, (heads, -1)).permute(0, 3, 4, 1, 2)  # [M, heads, d, h, w]
        grid = (2 * at[:, :, :, level] + 1) / size_tensor(sizes, at)[level].flip(-1) - 1
        grid = grid.transpose(1, 2).flatten(0, 1)  # [M heads, Q, P, 2]
        found = F.grid_sample(planes.flatten(0, 1), grid, padding_mode="zeros", align_corners=False)
        yield found.unflatten(0, planes.shape[:2])
