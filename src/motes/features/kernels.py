"""Triton kernels for CUDA that sample feature maps without storing the samples.

Each computes the function of its PyTorch reference in one pass, for inference only:

    correlate    `motes.features.correlation.correlate`
    deformable   `motes.features.deformable`: softmax-weighted sum of bilinear samples
    key_aware    the same, with logits from the sampled keys

Importing this module needs Triton, which comes with torch for CUDA; see `sampling.by_kernel`.  With
``TRITON_INTERPRET=1`` the kernels run slowly on a CPU; the tests use this to compare them with
their references.
"""

from __future__ import annotations

from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from motes.features.sampling import Outside

TILE = 16
"""Smallest side of a matrix product in Triton."""


def correlate(
    maps: Tensor,
    support: Tensor,
    index: Tensor,
    xy: Tensor,
    radius: int,
    outside: Outside = "border",
) -> Tensor:
    """Dot products of all pairs from two patches, by one program for each point and frame.

    Arguments and result as for `motes.features.correlation.correlate`.
    """
    (n, S), (_, h, w, C), K = index.shape, maps.shape, support.shape[1]
    size, side = (2 * radius + 1) ** 2, 2 * radius + 2
    maps, support, xy = maps.contiguous(), support.contiguous(), xy.float().contiguous()
    out = maps.new_empty(n, S, size * K, dtype=torch.promote_types(maps.dtype, support.dtype))
    if out.numel():
        _correlate[(n * S,)](
            maps, support, index.contiguous(), xy, out, h, w, S, C, K,
            RADIUS=radius, ZERO=outside == "zero", PIXELS=_tile(side**2), POSITIONS=_tile(size),
            ROWS=_tile(K), CHANNELS=min(64, _tile(C)),
        )  # fmt: skip
    return out


@triton.jit
def _correlate(
    maps, support, index, xy, out, h, w, S, C, K,
    RADIUS: tl.constexpr, ZERO: tl.constexpr, PIXELS: tl.constexpr, POSITIONS: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    point = tl.program_id(0).to(tl.int64)
    side: tl.constexpr = 2 * RADIUS + 2
    # Beyond these limits the patch is constant.
    x = tl.minimum(tl.maximum(tl.load(xy + 2 * point), -RADIUS - 1.0), w + RADIUS + 0.0)
    y = tl.minimum(tl.maximum(tl.load(xy + 2 * point + 1), -RADIUS - 1.0), h + RADIUS + 0.0)
    left, top = tl.floor(x), tl.floor(y)

    # The whole pixels around the point, x slow and y fast.
    pixel = tl.arange(0, PIXELS)
    column = left.to(tl.int32) - RADIUS + pixel // side
    row = top.to(tl.int32) - RADIUS + pixel % side
    known = pixel < side * side
    if ZERO:
        known = known & (column >= 0) & (column < w) & (row >= 0) & (row < h)
    column = tl.minimum(tl.maximum(column, 0), w - 1)
    row = tl.minimum(tl.maximum(row, 0), h - 1)
    token = (tl.load(index + point) * h + row) * w + column

    # Their dot products with the support, [PIXELS, ROWS].
    line, part = tl.arange(0, ROWS), tl.arange(0, CHANNELS)
    support_row = (point // S * K + line) * C
    dots = tl.zeros((PIXELS, ROWS), tl.float32)
    for first in range(0, C, CHANNELS):
        channel = first + part
        some = channel < C
        sampled = tl.load(
            maps + token[:, None] * C + channel[None, :], known[:, None] & some[None, :], 0.0
        )
        reference = tl.load(
            support + support_row[:, None] + channel[None, :],
            (line < K)[:, None] & some[None, :],
            0.0,
        )
        dots += tl.dot(
            sampled.to(tl.float32), tl.trans(reference.to(tl.float32)), input_precision="ieee"
        )

    # Bilinear: each position is a weighted mean of four pixels.
    position = tl.arange(0, POSITIONS)
    across = _bilinear_weights(position // (side - 1), pixel // side, x - left)
    along = _bilinear_weights(position % (side - 1), pixel % side, y - top)
    blended = tl.dot(across * along, dots, input_precision="ieee")
    size: tl.constexpr = (side - 1) * (side - 1)
    tl.store(
        out + (point * size + position[:, None]) * K + line[None, :],
        blended.to(out.dtype.element_ty),
        (position < size)[:, None] & (line < K)[None, :],
    )


@triton.jit
def _bilinear_weights(position, pixel, fraction):
    """Bilinear weights of pixels for positions along one axis, [POSITIONS, PIXELS]."""
    behind = pixel[None, :] - position[:, None]
    return tl.where(behind == 0, 1 - fraction, tl.where(behind == 1, fraction, 0.0))


@cache
def layout(sizes: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """Height, width and first token of each map, int32 ``[L, 3]``."""
    areas = [h * w for h, w in sizes]
    rows = [(*size, sum(areas[:level])) for level, size in enumerate(sizes)]
    return torch.tensor(rows, dtype=torch.int32, device=device)


def deformable(values: Tensor, maps: Tensor, at: Tensor, logits: Tensor) -> Tensor:
    """Softmax-weighted sum of bilinear samples (deformable attention).

    Args:
        values: ``[M, tokens, heads * d]``.
        maps: By `layout`, of the L maps.
        at: ``[M, Q, heads, L, P, 2]``, in pixels of each map; zeros outside.
        logits: ``[M, Q, heads, L * P]``.

    Returns:
        ``[M, Q, heads * d]``.
    """
    return _run(values, maps, at, logits.float().contiguous())


def key_aware(
    keys: Tensor, values: Tensor, maps: Tensor, at: Tensor, queries: Tensor
) -> tuple[Tensor, Tensor]:
    """Softmax-weighted sum of bilinear samples, with logits from query and sampled keys.

    Args:
        keys: ``[M, tokens, heads * d]``.
        values: ``[M, tokens, heads * d]``.
        maps: By `layout`, of the L maps.
        at: ``[M, Q, heads, L, P, 2]``, in pixels of each map; zeros outside.
        queries: ``[M, Q, heads * d]``.

    Returns:
        ``[M, Q, heads * d]``, and the logits ``[M, Q, heads, L * P]``.
    """
    heads, L, P = at.shape[2:5]
    logits = at.new_empty(*at.shape[:2], heads, L * P, dtype=torch.float32)
    return _run(values, maps, at, logits, keys.contiguous(), queries.contiguous()), logits


def _run(
    values: Tensor,
    maps: Tensor,
    at: Tensor,
    logits: Tensor,
    keys: Tensor | None = None,
    queries: Tensor | None = None,
) -> Tensor:
    """Run `_attend`, one program for each query and head; with keys it computes the logits."""
    M, Q, heads, L, P = at.shape[:5]
    tokens, C = values.shape[1:]
    out = values.new_empty(M, Q, C, dtype=torch.float32)
    if out.numel():
        _attend[(M * Q, heads)](
            keys, values.contiguous(), maps, at.float().contiguous(), queries, logits, out,
            Q, tokens, C // heads, (C // heads) ** -0.5,
            HEADS=heads, LEVELS=L, POINTS=P, POSITIONS=triton.next_power_of_2(L * P),
            CHANNELS=triton.next_power_of_2(C // heads), KEYS=keys is not None,
        )  # fmt: skip
    return out


@triton.jit
def _attend(
    keys, values, maps, at, queries, logits, out, Q, tokens, d, scale,
    HEADS: tl.constexpr, LEVELS: tl.constexpr, POINTS: tl.constexpr, POSITIONS: tl.constexpr,
    CHANNELS: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(1)
    row = tl.program_id(0).to(tl.int64) * HEADS + head  # which query and head
    position, channel = tl.arange(0, POSITIONS), tl.arange(0, CHANNELS)
    count: tl.constexpr = LEVELS * POINTS
    given, some = position < count, channel < d

    # Sampling positions of this query in their maps.
    level = maps + 3 * tl.minimum(position // POINTS, LEVELS - 1)
    h, w, first = tl.load(level), tl.load(level + 1), tl.load(level + 2)
    x = tl.load(at + 2 * (row * count + position), given, 0.0)
    y = tl.load(at + 2 * (row * count + position) + 1, given, 0.0)
    # Beyond these limits all samples are zero.
    x = tl.minimum(tl.maximum(x, -1.0), w + 0.0)
    y = tl.minimum(tl.maximum(y, -1.0), h + 0.0)
    start = tl.program_id(0).to(tl.int64) // Q * tokens + first

    if KEYS:
        query = tl.load(queries + row * d + channel, some, 0.0).to(tl.float32)
        found = _sample(keys, start, x, y, h, w, given, head, channel, d, HEADS)
        score = tl.sum(found * query[None, :], 1) * scale
        tl.store(logits + row * count + position, score.to(logits.dtype.element_ty), given)
    else:
        score = tl.load(logits + row * count + position, given, 0.0).to(tl.float32)
    score = tl.where(given, score, -float("inf"))
    weight = tl.exp(score - tl.max(score, 0))
    weight = weight / tl.sum(weight, 0)
    found = _sample(values, start, x, y, h, w, given, head, channel, d, HEADS)
    mixed = tl.sum(found * weight[:, None], 0)
    tl.store(out + row * d + channel, mixed.to(out.dtype.element_ty), some)


@triton.jit
def _sample(maps, start, x, y, h, w, given, head, channel, d, HEADS: tl.constexpr):
    """Bilinear samples of one head's channels, [POSITIONS, CHANNELS]; zeros outside the maps."""
    left, top = tl.floor(x), tl.floor(y)
    found = tl.zeros((x.shape[0], channel.shape[0]), tl.float32)
    for corner in tl.static_range(4):
        right, below = corner % 2, corner // 2
        column, row = left.to(tl.int32) + right, top.to(tl.int32) + below
        across = 1 - right + (2 * right - 1) * (x - left)
        along = 1 - below + (2 * below - 1) * (y - top)
        inside = given & (column >= 0) & (column < w) & (row >= 0) & (row < h)
        token = (start + row * w + column) * HEADS + head
        pixels = tl.load(
            maps + token[:, None] * d + channel[None, :],
            inside[:, None] & (channel < d)[None, :],
            0.0,
        )
        found += pixels.to(tl.float32) * (across * along)[:, None]
    return found


def _tile(size: int) -> int:
    """The next power of two that is large enough for a matrix product."""
    return max(TILE, int(triton.next_power_of_2(size)))
