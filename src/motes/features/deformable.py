"""Deformable attention: every query looks at a few places of several feature maps.

`DeformableAttention` is Deformable DETR's (Zhu et al. 2021).  `KeyAwareDeformableAttention`
compares the query with what it finds there, and the same comparison, through a small MLP, says
where the point should move: the attention-based position update of TAPTRv2 (arXiv 2407.16291,
section 3.3; taptrv2.md, sections 4 and 7.1).

A head's answer is one weighted sum over the pixels around all its places.  `corners` finds these
pixels and their weights; `weighted_sum` gathers and adds them in one pass, without storing what it
gathers.  `deformable_sum_by_grid_sample` is the slow, obvious twin.  On CUDA it is all one kernel
of `motes.features.kernels`.

Normalised positions are 0 and 1 at the edges of the image, whatever the size of a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from motes.features.positions import image_code
from motes.features.sampling import by_kernel

QUERIES_AT_ONCE = 1024
"""Queries whose samples are held together while no gradients are recorded."""

Sizes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Pyramid:
    """Feature maps of M frames as one list of tokens.

    Attributes:
        tokens: ``[M, sum of h * w, C]``, map after map, row by row.
        sizes: Height and width of each map.
    """

    tokens: Tensor
    sizes: Sizes

    @staticmethod
    def of(maps: Sequence[Tensor]) -> Pyramid:
        """From maps ``[M, C, h, w]``."""
        tokens = torch.cat([m.flatten(2).mT for m in maps], 1)
        return Pyramid(tokens, tuple((m.shape[2], m.shape[3]) for m in maps))

    def maps(self) -> list[Tensor]:
        """The maps ``[M, h, w, C]``, as views."""
        parts = self.tokens.split([h * w for h, w in self.sizes], 1)
        return [p.unflatten(1, size) for p, size in zip(parts, self.sizes, strict=True)]


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def frame_by_frame(
    look: Callable[[Tensor, Tensor, Pyramid], Tensor],
    query: Tensor,
    where: Tensor,
    memory: Pyramid,
) -> Tensor:
    """Apply attention to each frame alone, so that what it looks up stays in a CPU's caches.

    All frames at once while gradients are recorded, and on accelerators.
    """
    tokens = memory.tokens
    if torch.is_grad_enabled() or tokens.device.type != "cpu":
        return look(query, where, memory)
    parts = zip(query.split(1), where.split(1), tokens.split(1), strict=True)
    return torch.cat([look(q, w, Pyramid(t, memory.sizes)) for q, w, t in parts])


def in_full(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module without autocast: what becomes a position is not rounded to bfloat16."""
    with torch.autocast(x.device.type, enabled=False):
        return module(x)


def exact_type(query: Tensor, where: Tensor) -> torch.dtype:
    """Number type of what is gathered: positions and sums are never less than float32."""
    return torch.promote_types(query.dtype, where.dtype)


def in_chunks(function: Callable[..., Tensor], size: int, *tensors: Tensor) -> Tensor:
    """Apply a function to stretches of the queries, which are axis 1, and join the results.

    While gradients are recorded nothing is gained by it, and everything is done at once.
    """
    if torch.is_grad_enabled() or tensors[0].shape[1] <= size:
        return function(*tensors)
    parts = zip(*(t.split(size, 1) for t in tensors), strict=True)
    return torch.cat([function(*part) for part in parts], 1)


BEFORE, AFTER = 1, 2
"""Zeros around a map, left and right as above and below: room for all four pixels of any place."""


def table_of(values: Tensor, sizes: Sizes, heads: int, dtype: torch.dtype) -> Tensor:
    """Everything that heads can look up, as the rows of a table, with zeros around every map.

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
        room = table[:, start : start + area].unflatten(1, (-1, BEFORE + w + AFTER))
        room[:, BEFORE : BEFORE + h, BEFORE : BEFORE + w] = maps
        start += area
    return table.view(-1, C // heads)


def padded_areas(sizes: Sizes) -> list[int]:
    """Pixels of each map, those around it included."""
    return [(BEFORE + h + AFTER) * (BEFORE + w + AFTER) for h, w in sizes]


def corners(at: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """The four pixels around each place, and their bilinear weights.

    Args:
        at: ``[M, Q, heads, L, P, 2]`` (x, y), in pixels of each of the L maps.
        sizes: Height and width of these.

    Returns:
        Rows of `table_of`, int32 ``[M, Q, heads, 4, L * P]``, and weights of the same shape.
    """
    size = at.new_tensor([(w, h) for h, w in sizes])[:, None]
    at = at.clamp(min=-1).minimum(size)  # farther out, there is nothing but zeros either
    low = at.floor()
    x1, y1 = (at - low).unbind(-1)
    x0, y0 = 1 - x1, 1 - y1
    weight = torch.stack([y0 * x0, y0 * x1, y1 * x0, y1 * x1], 3)
    origin, width = _layout(at.shape[0], at.shape[2], sizes, at.device)
    column, row = low.int().unbind(-1)
    corner = origin + (row * width + column) * at.shape[2]
    around = torch.stack([0 * width, 0 * width + 1, width, width + 1]) * at.shape[2]  # [4, L, 1]
    return (corner[:, :, :, None] + around).flatten(-2), weight.flatten(-2)


def _layout(frames: int, heads: int, sizes: Sizes, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row of each map's first pixel ``[M, 1, heads, L, 1]`` and padded widths ``[L, 1]``, int32."""
    areas, widths = padded_areas(sizes), [BEFORE + w + AFTER for _, w in sizes]
    firsts = [sum(areas[:level]) + BEFORE * (w + 1) for level, w in enumerate(widths)]
    first, width = torch.tensor([firsts, widths], dtype=torch.int32, device=device)[..., None]
    frame = torch.arange(frames, dtype=torch.int32, device=device).view(-1, 1, 1, 1, 1)
    head = torch.arange(heads, dtype=torch.int32, device=device).view(-1, 1, 1)
    return (frame * sum(areas) + first) * heads + head, width


def weighted_sum(table: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """Gather rows of a table ``[rows, d]``, and add them up over the last axis: ``[..., d]``."""
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
        to_table = _transposed(grad, rows, weight, len(table)) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[2]:
            return to_table, None, None
        with torch.enable_grad():
            again = weight.detach().requires_grad_()
            out = F.embedding_bag(rows, table, mode="sum", per_sample_weights=again)
        return to_table, None, torch.autograd.grad(out, again, grad)[0]


def _transposed(grad: Tensor, rows: Tensor, weight: Tensor, size: int) -> Tensor:
    """Row r of the result: the sum of ``weight * grad`` over every place where r was read."""
    found, order = rows.flatten().sort()
    numbers = torch.arange(size, dtype=found.dtype, device=found.device)
    begins = torch.searchsorted(found, numbers, out_int32=True)
    reader = (order // rows.shape[1]).int()
    return F.embedding_bag(
        reader, grad, begins, mode="sum", per_sample_weights=weight.flatten()[order]
    )


def deformable_sum_by_grid_sample(
    values: Tensor, sizes: Sizes, at: Tensor, attention: Tensor
) -> Tensor:
    """The readable twin of `table_of`, `corners` and `weighted_sum`: sample, weigh, add.

    Args:
        values: ``[M, tokens, heads * d]``.
        sizes: Height and width of the L maps.
        at: ``[M, Q, heads, L, P, 2]``, in pixels of each map.
        attention: ``[M, Q, heads, L, P]``.

    Returns:
        ``[M, Q, heads, d]``.
    """
    M, _, heads = at.shape[:3]
    total = values.new_zeros(())
    for level, maps in enumerate(Pyramid(values, sizes).maps()):
        h, w = sizes[level]
        planes = maps.unflatten(-1, (heads, -1)).permute(0, 3, 4, 1, 2).flatten(0, 1)
        grid = (2 * at[:, :, :, level] + 1) / at.new_tensor([w, h]) - 1
        grid = grid.transpose(1, 2).flatten(0, 1)  # [M heads, Q, P, 2]
        found = F.grid_sample(planes, grid, padding_mode="zeros", align_corners=False)
        weights = attention[:, :, :, level].transpose(1, 2).flatten(0, 1)
        total = total + (found * weights[:, None]).sum(-1)  # [M heads, d, Q]
    return total.unflatten(0, (M, heads)).permute(0, 3, 1, 2)


class DeformableAttention(nn.Module):
    """Each head samples every map at a few learned offsets and mixes with learned weights.

    Args:
        width: Of queries and tokens.
        heads: Number of heads.
        levels: Number of maps.
        points: Samples per head and map.
    """

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.shape = (heads, levels, points)
        self.offsets = nn.Linear(width, heads * levels * points * 2)
        self.weights = nn.Linear(width, heads * levels * points)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, query: Tensor, where: Tensor, memory: Pyramid) -> Tensor:
        """Look around.

        Args:
            query: ``[M, Q, C]``.
            where: ``[M, Q, 2]`` (x, y), normalised.
            memory: Of the same M frames.

        Returns:
            ``[M, Q, C]``.
        """
        found = frame_by_frame(self._look, query, where, memory)
        return self.output(found.to(query.dtype))

    def _look(self, query: Tensor, where: Tensor, memory: Pyramid) -> Tensor:
        if by_kernel(query):
            return self._look_by_kernel(query, where, memory)
        heads, sizes = self.shape[0], memory.sizes
        table = table_of(self.value(memory.tokens), sizes, heads, exact_type(query, where))

        def look(query: Tensor, where: Tensor) -> Tensor:
            rows, share = corners(
                place(in_full(self.offsets, query), where, sizes, self.shape), sizes
            )
            logits = self.weights(query).unflatten(-1, (heads, 1, -1)).to(share.dtype)
            weight = share * logits.softmax(-1)
            return weighted_sum(table, rows.flatten(3), weight.flatten(3)).flatten(2)

        return in_chunks(look, chunk_size(query), query, where)

    def _look_by_kernel(self, query: Tensor, where: Tensor, memory: Pyramid) -> Tensor:
        from motes.features import kernels

        at = place(in_full(self.offsets, query), where, memory.sizes, self.shape)
        logits = self.weights(query).unflatten(-1, (self.shape[0], -1))
        layout = kernels.layout(memory.sizes, query.device)
        return kernels.deformable(self.value(memory.tokens), layout, at, logits)


class KeyAwareDeformableAttention(nn.Module):
    """Deformable attention that compares the query with the sampled keys, and moves the point.

    Args:
        width: Of queries and tokens.
        heads: Number of heads.
        levels: Number of maps.
        points: Samples per head and map.
    """

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.shape = (heads, levels, points)
        self.offsets = nn.Linear(width, heads * levels * points * 2)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.update = PositionUpdate(heads * levels * points, width)

    def forward(self, query: Tensor, where: Tensor, memory: Pyramid) -> tuple[Tensor, Tensor]:
        """Look around, and say where to go.

        Args:
            query: ``[M, Q, C]``.
            where: ``[M, Q, 2]`` (x, y), normalised.
            memory: Of the same M frames.

        Returns:
            The content found ``[M, Q, C]``, and the displacement ``[M, Q, 2]``, normalised.
        """
        found = frame_by_frame(self._look, query, where, memory)
        content, step = found.split([found.shape[-1] - 2, 2], -1)
        return self.output(content.to(query.dtype)), step

    def _look(self, query: Tensor, where: Tensor, memory: Pyramid) -> Tensor:
        """Content found and displacement, side by side ``[M, Q, C + 2]``."""
        if by_kernel(query):
            return self._look_by_kernel(query, where, memory)
        heads, sizes, exact = self.shape[0], memory.sizes, exact_type(query, where)
        keys = table_of(self.key(memory.tokens), sizes, heads, exact)
        values = table_of(self.value(memory.tokens), sizes, heads, exact)

        def look(query: Tensor, where: Tensor) -> Tensor:
            offsets = in_full(self.offsets, query)
            rows, share = corners(place(offsets, where, sizes, self.shape), sizes)
            sampled = weighted_sum(keys, rows.mT, share.mT)  # [M, Q, heads, L P, d]
            asked = self.query(query).unflatten(-1, (heads, 1, -1))
            logits = (sampled * asked).sum(-1) / math.sqrt(asked.shape[-1])  # [M, Q, heads, L P]
            weight = share * logits.softmax(-1)[:, :, :, None]
            found = weighted_sum(values, rows.flatten(3), weight.flatten(3)).flatten(2)
            step = self.update(logits.flatten(2), moves(offsets, where, sizes, self.shape))
            return torch.cat([found, step], -1)

        return in_chunks(look, chunk_size(query), query, where)

    def _look_by_kernel(self, query: Tensor, where: Tensor, memory: Pyramid) -> Tensor:
        from motes.features import kernels

        sizes, tokens = memory.sizes, memory.tokens
        offsets = in_full(self.offsets, query)
        at, layout = place(offsets, where, sizes, self.shape), kernels.layout(sizes, query.device)
        found, logits = kernels.key_aware(
            self.key(tokens), self.value(tokens), layout, at, self.query(query)
        )
        step = self.update(logits.flatten(2), moves(offsets, where, sizes, self.shape))
        return torch.cat([found, step], -1)


class PositionUpdate(nn.Module):
    """The attention-based position update: a weighted mean of the offsets that were looked at.

    The disentangler turns the attention logits of all heads, maps and points into weights of their
    own, so that what is good to look at need not be where to go (arXiv 2407.16291, section 3.3).

    Args:
        samples: Number of offsets.
        hidden: Width of the disentangler.
    """

    def __init__(self, samples: int, hidden: int) -> None:
        super().__init__()
        self.disentangler = mlp(samples, hidden, hidden, samples)

    def forward(self, logits: Tensor, offsets: Tensor) -> Tensor:
        """Displacement ``[..., 2]`` from logits ``[..., K]`` and offsets ``[..., K, 2]``."""
        weights = in_full(self.disentangler, logits).softmax(-1)
        return (weights[..., None] * offsets).sum(-2)


def place(offsets: Tensor, where: Tensor, sizes: Sizes, shape: tuple[int, int, int]) -> Tensor:
    """Where queries look, in pixels of each map, whose edges are the edges of the image.

    Args:
        offsets: ``[M, Q, heads * L * P * 2]`` (dx, dy), in pixels of each map.
        where: ``[M, Q, 2]``, normalised.
        sizes: Height and width of the maps.
        shape: Heads, L and P.

    Returns:
        ``[M, Q, heads, L, P, 2]``, at least as exact as `where`.
    """
    size = where.new_tensor([(w, h) for h, w in sizes])
    centre = where[:, :, None] * size - 0.5  # [M, Q, L, 2]
    return centre[:, :, None, :, None] + offsets.unflatten(-1, (*shape, 2))


def moves(offsets: Tensor, where: Tensor, sizes: Sizes, shape: tuple[int, int, int]) -> Tensor:
    """Offsets as normalised displacements ``[M, Q, heads * L * P, 2]``; arguments as for `place`.

    The released weights were trained with dx divided by the height and dy by the width of the map;
    on square images it is the same.
    """
    size = where.new_tensor(sizes)[:, None]
    return (offsets.unflatten(-1, (*shape, 2)) / size).flatten(2, 4)


def chunk_size(query: Tensor) -> int:
    """How many queries of each frame fit into a chunk."""
    return max(1, QUERIES_AT_ONCE // query.shape[0])


class DeformableEncoderLayer(nn.Module):
    """Deformable attention among the tokens of a frame, then an MLP; norms come after."""

    def __init__(self, width: int, heads: int, levels: int, points: int, hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(width, heads, levels, points)
        self.norm1 = nn.LayerNorm(width)
        self.mlp = mlp(width, hidden, width)
        self.norm2 = nn.LayerNorm(width)
        init_xavier(self)
        nn.init.zeros_(self.attention.offsets.weight)

    def forward(self, memory: Pyramid, code: Tensor, where: Tensor) -> Pyramid:
        """One layer; `code` ``[tokens, C]`` enters the queries, `where` is each token's place."""
        x = memory.tokens
        x = self.norm1(x + self.attention(x + code, where, memory))
        return Pyramid(self.norm2(x + self.mlp(x)), memory.sizes)


class DeformableEncoder(nn.Module):
    """Lets the maps of a frame exchange information (taptrv2.md, sections 3 and 4).

    Args:
        width: Of the tokens.
        heads: Number of heads.
        levels: Number of maps.
        points: Samples per head and map.
        hidden: Hidden width of the MLPs.
        depth: Number of layers.
    """

    def __init__(
        self, width: int, heads: int, levels: int, points: int, hidden: int, depth: int
    ) -> None:
        super().__init__()
        self.level_code = nn.Parameter(torch.randn(levels, width))
        self.layers = nn.ModuleList(
            DeformableEncoderLayer(width, heads, levels, points, hidden) for _ in range(depth)
        )

    def forward(self, maps: Sequence[Tensor]) -> Pyramid:
        """Encode maps ``[M, C, h, w]`` of M frames."""
        memory = Pyramid.of(maps)
        codes = image_code(memory.sizes, self.level_code.shape[1], self.level_code.device)
        code = torch.cat([c + level for c, level in zip(codes, self.level_code, strict=True)])
        where = cell_centres(memory.sizes, code.device).expand(len(memory.tokens), -1, -1)
        for layer in self.layers:
            memory = layer(memory, code, where)
        return memory


def cell_centres(sizes: Sizes, device: torch.device) -> Tensor:
    """Normalised (x, y) of every token, float32 ``[tokens, 2]``."""
    centres = []
    for h, w in sizes:
        y = (torch.arange(h, device=device) + 0.5) / h
        x = (torch.arange(w, device=device) + 0.5) / w
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack([columns, rows], -1).flatten(0, 1))
    return torch.cat(centres)


def init_xavier(module: nn.Module) -> None:
    """Xavier-uniform weights for every linear layer inside, except where sampling begins.

    The offsets of deformable attention begin as rays, one direction a head, and its learned weights
    as equal (taptrv2.md, section 9).
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
    for part in module.modules():
        if isinstance(part, DeformableAttention):
            nn.init.zeros_(part.weights.weight)
            nn.init.zeros_(part.weights.bias)
        if isinstance(part, DeformableAttention | KeyAwareDeformableAttention):
            with torch.no_grad():
                part.offsets.bias.copy_(rays(*part.shape).flatten())


def rays(heads: int, levels: int, points: int) -> Tensor:
    """Offsets ``[heads, levels, points, 2]``: one direction a head, 1, 2, 3, ... cells away."""
    angle = torch.arange(heads) * (2 * math.pi / heads)
    ray = torch.stack([angle.cos(), angle.sin()], -1)
    ray = ray / ray.abs().amax(-1, keepdim=True)
    length = torch.arange(1, points + 1)[:, None]
    return (ray[:, None, None] * length).expand(heads, levels, points, 2)
