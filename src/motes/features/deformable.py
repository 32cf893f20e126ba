"""Deformable attention: every query looks at a few places of several feature maps.

`DeformableAttention` is Deformable DETR's (Zhu et al. 2021).  `KeyAwareDeformableAttention`
compares the query with what it finds there, and the same comparison, through a small MLP, says
where the point should move: the attention-based position update of TAPTRv2 (arXiv 2407.16291,
section 3.3; taptrv2.md, sections 4 and 7.1).

A head's answer is one weighted sum over the pixels around all its places.  `corners` finds these
pixels and their weights; `weighted_sum` gathers and adds them in one pass, without storing what it
gathers.  `deformable_sum_by_grid_sample` is the slow, obvious twin of both.

Locations are normalised: 0 and 1 are the edges of the image, whatever the size of a map.
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

QUERIES_AT_ONCE = 2048
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


def in_chunks(function: Callable[..., Tensor], size: int, *tensors: Tensor) -> Tensor:
    """Apply a function to stretches of the queries, which are axis 1, and join the results.

    While gradients are recorded nothing is gained by it, and everything is done at once.
    """
    if torch.is_grad_enabled() or tensors[0].shape[1] <= size:
        return function(*tensors)
    parts = zip(*(t.split(size, 1) for t in tensors), strict=True)
    return torch.cat([function(*part) for part in parts], 1)


def corners(locations: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """The four pixels around each location, and their bilinear weights.

    Args:
        locations: ``[..., L, P, 2]`` (x, y), normalised.
        sizes: Height and width of the L maps.

    Returns:
        Numbers of the tokens of a `Pyramid`, int32 ``[..., L, P, 4]``, and weights of the same
        shape.  A pixel outside its map has weight 0.
    """
    size = locations.new_tensor([(w, h) for h, w in sizes])[:, None]  # [L, 1, 2]
    at = locations * size - 0.5
    low = at.floor()
    cells = torch.stack([low, low + 1], -1)  # [..., L, P, xy, 2]
    inside = (cells >= 0) & (cells < size[..., None])
    share = torch.stack([low + 1 - at, at - low], -1) * inside
    column, row = cells.clamp(min=0).minimum(size[..., None] - 1).int().unbind(-2)
    weight_x, weight_y = share.unbind(-2)
    width, first = _layout(sizes, locations.device)
    index = (first + row * width)[..., :, None] + column[..., None, :]
    weight = weight_y[..., :, None] * weight_x[..., None, :]
    return index.flatten(-2), weight.flatten(-2)


def _layout(sizes: Sizes, device: torch.device) -> tuple[Tensor, Tensor]:
    """Width of each map, and where it begins among the tokens: int32 ``[L, 1, 1]`` each."""
    starts = [sum(h * w for h, w in sizes[:level]) for level in range(len(sizes))]
    table = torch.tensor([[w for _, w in sizes], starts], dtype=torch.int32, device=device)
    width, first = table[..., None, None]
    return width, first


def weighted_sum(values: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Add up rows of a table, some for each query and head.

    Args:
        values: ``[M, tokens, heads, d]``.
        index: int32 ``[M, Q, heads, ..., R]``, numbers of tokens.
        weight: The same shape.

    Returns:
        ``[M, Q, heads, ..., d]``: sums over R, in the type of the weights.
    """
    M, tokens, heads, d = values.shape
    ahead = [1] * (index.ndim - 3)
    frame = torch.arange(M, dtype=torch.int32, device=index.device).view(M, 1, 1, *ahead)
    head = torch.arange(heads, dtype=torch.int32, device=index.device).view(heads, *ahead)
    rows = (index + frame * tokens) * heads + head
    R = index.shape[-1]
    table = values.reshape(-1, d).to(weight.dtype)
    return _WeightedSum.apply(table, rows.view(-1, R), weight.view(-1, R)).view(
        *index.shape[:-1], d
    )


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
    values: Tensor, sizes: Sizes, locations: Tensor, attention: Tensor
) -> Tensor:
    """The readable twin of `corners` and `weighted_sum`: sample every map, then weigh and add.

    Args:
        values: ``[M, tokens, heads, d]``.
        sizes: Height and width of the L maps.
        locations: ``[M, Q, heads, L, P, 2]``.
        attention: ``[M, Q, heads, L, P]``.

    Returns:
        ``[M, Q, heads, d]``.
    """
    M, _, heads, _ = values.shape
    total = values.new_zeros(())
    for level, maps in enumerate(Pyramid(values.flatten(2), sizes).maps()):
        planes = maps.unflatten(-1, (heads, -1)).permute(0, 3, 4, 1, 2).flatten(0, 1)
        grid = locations[:, :, :, level].transpose(1, 2).flatten(0, 1) * 2 - 1
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
        values = self.value(memory.tokens).unflatten(-1, (self.shape[0], -1))

        def look(query: Tensor, where: Tensor) -> Tensor:
            locations, _ = place(self.offsets(query), where, memory.sizes, self.shape)
            logits = self.weights(query).unflatten(-1, (self.shape[0], -1)).to(where.dtype)
            index, share = corners(locations, memory.sizes)
            weight = share * logits.softmax(-1).unflatten(-1, self.shape[1:])[..., None]
            return weighted_sum(values, index.flatten(3), weight.flatten(3)).flatten(2)

        found = in_chunks(look, chunk_size(query), query, where)
        return self.output(found.to(values.dtype))


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
        heads = self.shape[0]
        keys = self.key(memory.tokens).unflatten(-1, (heads, -1))
        values = self.value(memory.tokens).unflatten(-1, (heads, -1))

        def look(query: Tensor, where: Tensor) -> Tensor:
            locations, offsets = place(self.offsets(query), where, memory.sizes, self.shape)
            index, share = (c.flatten(3, 4) for c in corners(locations, memory.sizes))
            sampled = weighted_sum(keys, index, share)  # [M, Q, heads, L P, d]
            asked = self.query(query).unflatten(-1, (heads, -1, 1)).to(sampled.dtype)
            logits = (sampled @ asked)[..., 0] / math.sqrt(asked.shape[-2])  # [M, Q, heads, L P]
            weight = share * logits.softmax(-1)[..., None]
            found = weighted_sum(values, index.flatten(3), weight.flatten(3)).flatten(2)
            step = self.update(logits.flatten(2), offsets.flatten(2, 4))
            return torch.cat([found, step], -1)

        found = in_chunks(look, chunk_size(query), query, where)
        content, step = found.split([found.shape[-1] - 2, 2], -1)
        return self.output(content.to(values.dtype)), step


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
        weights = self.disentangler(logits).to(offsets.dtype).softmax(-1)
        return (weights[..., None, :] @ offsets)[..., 0, :]


def place(
    offsets: Tensor, where: Tensor, sizes: Sizes, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    """Where a query looks.

    Args:
        offsets: ``[M, Q, heads * L * P * 2]`` (dx, dy), in pixels of each map.
        where: ``[M, Q, 2]``, normalised.
        sizes: Height and width of the maps.
        shape: Heads, L and P.

    Returns:
        Locations and the normalised offsets to move by, ``[M, Q, heads, L, P, 2]`` each.  The
        latter divide dx by the height and dy by the width, as the released weights were trained;
        on square images this is the same.
    """
    size = where.new_tensor(sizes)[:, None]  # [L, 1, hw]
    offsets = offsets.to(where.dtype).unflatten(-1, (*shape, 2))
    return where[:, :, None, None, None] + offsets / size.flip(-1), offsets / size


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
        init_xavier(self)
        for layer in self.layers:
            nn.init.zeros_(layer.attention.offsets.weight)

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
