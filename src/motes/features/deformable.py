"""Deformable attention: each query samples a few positions of several feature maps.

`DeformableAttention` is Deformable DETR's (Zhu et al. 2021, arXiv 2010.04159, section 4.1).
`KeyAwareDeformableAttention` compares the query with the sampled keys; from the same logits a small
MLP computes a displacement of the point: the attention-based position update of TAPTRv2 (arXiv
2407.16291, section 3.3).  On CUDA each runs as one kernel of `motes.features.kernels`.

Normalised positions are 0 and 1 at the edges of the image, whatever the size of a map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from motes.features.chunks import chunk_size, frame_by_frame, in_chunks
from motes.features.gather import (
    corners,
    deformable_sum_by_grid_sample,
    padded_table,
    samples_by_grid_sample,
    weighted_sum,
)
from motes.features.mlp import full_precision, mlp
from motes.features.pyramid import Pyramid, Sizes, size_tensor
from motes.features.sampling import by_kernel


def sampling_dtype(query: Tensor, position: Tensor) -> torch.dtype:
    """Number type of what is sampled: positions and sums are never less precise than float32."""
    return torch.promote_types(query.dtype, position.dtype)


class DeformableAttention(nn.Module):
    """Each head samples every map at a few learned offsets and mixes with learned weights.

    Args:
        width: Of queries and tokens.
        heads: Number of heads.
        levels: Number of maps.
        samples: Sampling positions per head and map.
    """

    def __init__(self, width: int, heads: int, levels: int, samples: int) -> None:
        super().__init__()
        self.shape = (heads, levels, samples)
        self.offsets = nn.Linear(width, heads * levels * samples * 2)
        self.weights = nn.Linear(width, heads * levels * samples)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, query: Tensor, position: Tensor, memory: Pyramid) -> Tensor:
        """Attend.

        Args:
            query: ``[M, Q, C]``.
            position: ``[M, Q, 2]`` (x, y), normalised.
            memory: Of the same M frames.

        Returns:
            ``[M, Q, C]``.
        """
        content = frame_by_frame(self._attend, query, position, memory)
        return self.output(content.to(query.dtype))

    def _attend(self, query: Tensor, position: Tensor, memory: Pyramid) -> Tensor:
        if by_kernel(query):
            return self._attend_by_kernel(query, position, memory)
        if torch.compiler.is_exporting():
            return self._attend_by_grid_sample(query, position, memory)
        heads, sizes = self.shape[0], memory.sizes
        dtype = sampling_dtype(query, position)
        table = padded_table(self.value(memory.tokens), sizes, heads, dtype)

        def attend(query: Tensor, position: Tensor) -> Tensor:
            offsets = full_precision(self.offsets, query)
            rows, share = corners(sampling_positions(offsets, position, sizes, self.shape), sizes)
            logits = self.weights(query).unflatten(-1, (heads, 1, -1)).to(share.dtype)
            weight = share * logits.softmax(-1)
            return weighted_sum(table, rows.flatten(3), weight.flatten(3)).flatten(2)

        return in_chunks(attend, chunk_size(query), query, position)

    def _attend_by_kernel(self, query: Tensor, position: Tensor, memory: Pyramid) -> Tensor:
        from motes.features import kernels

        offsets = full_precision(self.offsets, query)
        at = sampling_positions(offsets, position, memory.sizes, self.shape)
        logits = self.weights(query).unflatten(-1, (self.shape[0], -1))
        layout = kernels.layout(memory.sizes, query.device)
        return kernels.deformable(self.value(memory.tokens), layout, at, logits)

    def _attend_by_grid_sample(self, query: Tensor, position: Tensor, memory: Pyramid) -> Tensor:
        """For exported graphs."""
        at = sampling_positions(self.offsets(query), position, memory.sizes, self.shape)
        logits = self.weights(query).unflatten(-1, (self.shape[0], -1))
        weight = logits.softmax(-1).unflatten(-1, self.shape[1:])
        values = self.value(memory.tokens)
        return deformable_sum_by_grid_sample(values, memory.sizes, at, weight).flatten(2)


class KeyAwareDeformableAttention(nn.Module):
    """Deformable attention that compares the query with the sampled keys, and moves the point.

    Args:
        width: Of queries and tokens.
        heads: Number of heads.
        levels: Number of maps.
        samples: Sampling positions per head and map.
    """

    def __init__(self, width: int, heads: int, levels: int, samples: int) -> None:
        super().__init__()
        self.shape = (heads, levels, samples)
        self.offsets = nn.Linear(width, heads * levels * samples * 2)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.update = PositionUpdate(heads * levels * samples, width)

    def forward(self, query: Tensor, position: Tensor, memory: Pyramid) -> tuple[Tensor, Tensor]:
        """Attend, and compute a displacement.

        Args:
            query: ``[M, Q, C]``.
            position: ``[M, Q, 2]`` (x, y), normalised.
            memory: Of the same M frames.

        Returns:
            The attended content ``[M, Q, C]``, and the displacement ``[M, Q, 2]``, normalised.
        """
        content_and_step = frame_by_frame(self._attend, query, position, memory)
        content, step = content_and_step.split([query.shape[-1], 2], -1)
        return self.output(content.to(query.dtype)), step

    def _attend(self, query: Tensor, position: Tensor, memory: Pyramid) -> Tensor:
        """Attended content and displacement, joined as ``[M, Q, C + 2]``."""
        if by_kernel(query):
            return self._attend_by_kernel(query, position, memory)
        if torch.compiler.is_exporting():
            return self._attend_by_grid_sample(query, position, memory)
        heads, sizes, dtype = self.shape[0], memory.sizes, sampling_dtype(query, position)
        keys = padded_table(self.key(memory.tokens), sizes, heads, dtype)
        values = padded_table(self.value(memory.tokens), sizes, heads, dtype)

        def attend(query: Tensor, position: Tensor) -> Tensor:
            offsets = full_precision(self.offsets, query)
            rows, share = corners(sampling_positions(offsets, position, sizes, self.shape), sizes)
            sampled = weighted_sum(keys, rows.mT, share.mT)  # [M, Q, heads, L P, d]
            own = self.query(query).unflatten(-1, (heads, 1, -1))
            logits = (sampled * own).sum(-1) / math.sqrt(own.shape[-1])  # [M, Q, heads, L P]
            weight = share * logits.softmax(-1)[:, :, :, None]
            content = weighted_sum(values, rows.flatten(3), weight.flatten(3)).flatten(2)
            step = self.update(logits.flatten(2), normalised_offsets(offsets, sizes, self.shape))
            return torch.cat([content, step], -1)

        return in_chunks(attend, chunk_size(query), query, position)

    def _attend_by_kernel(self, query: Tensor, position: Tensor, memory: Pyramid) -> Tensor:
        from motes.features import kernels

        sizes, tokens = memory.sizes, memory.tokens
        offsets = full_precision(self.offsets, query)
        at = sampling_positions(offsets, position, sizes, self.shape)
        layout = kernels.layout(sizes, query.device)
        content, logits = kernels.key_aware(
            self.key(tokens), self.value(tokens), layout, at, self.query(query)
        )
        step = self.update(logits.flatten(2), normalised_offsets(offsets, sizes, self.shape))
        return torch.cat([content, step], -1)

    def _attend_by_grid_sample(self, query: Tensor, position: Tensor, memory: Pyramid) -> Tensor:
        """For exported graphs."""
        sizes, offsets = memory.sizes, self.offsets(query)
        at = sampling_positions(offsets, position, sizes, self.shape)
        keys, values = (
            torch.cat(list(samples_by_grid_sample(layer(memory.tokens), sizes, at)), -1)
            for layer in (self.key, self.value)
        )  # [M, heads, d, Q, L P]
        own = self.query(query).unflatten(-1, (self.shape[0], -1)).permute(0, 2, 3, 1)
        logits = (keys * own[..., None]).sum(2) / math.sqrt(own.shape[2])  # [M, heads, Q, L P]
        content = (values * logits.softmax(-1)[:, :, None]).sum(-1)  # [M, heads, d, Q]
        step = self.update(
            logits.transpose(1, 2).flatten(2), normalised_offsets(offsets, sizes, self.shape)
        )
        return torch.cat([content.permute(0, 3, 1, 2).flatten(2), step], -1)


class PositionUpdate(nn.Module):
    """The attention-based position update: a weighted mean of the sampling offsets.

    The disentangler computes the weights from the attention logits of all heads, maps and samples,
    so that weights for content and for the displacement can differ (arXiv 2407.16291, section 3.3).

    Args:
        samples: Number of offsets.
        hidden: Width of the disentangler.
    """

    def __init__(self, samples: int, hidden: int) -> None:
        super().__init__()
        self.disentangler = mlp(samples, hidden, hidden, samples)

    def forward(self, logits: Tensor, offsets: Tensor) -> Tensor:
        """Displacement ``[..., 2]`` from logits ``[..., K]`` and offsets ``[..., K, 2]``."""
        weights = full_precision(self.disentangler, logits).softmax(-1)
        return (weights[..., None] * offsets).sum(-2)


def sampling_positions(
    offsets: Tensor, position: Tensor, sizes: Sizes, shape: tuple[int, int, int]
) -> Tensor:
    """Sampling positions in pixels of each map, whose edges are the edges of the image.

    Args:
        offsets: ``[M, Q, heads * L * P * 2]`` (dx, dy), in pixels of each map.
        position: ``[M, Q, 2]``, normalised.
        sizes: Height and width of the maps.
        shape: Heads, L and P.

    Returns:
        ``[M, Q, heads, L, P, 2]``, at least as precise as `position`.
    """
    size = size_tensor(sizes, position).flip(-1)
    centre = position[:, :, None] * size - 0.5  # [M, Q, L, 2]
    return centre[:, :, None, :, None] + offsets.unflatten(-1, (*shape, 2))


def normalised_offsets(offsets: Tensor, sizes: Sizes, shape: tuple[int, int, int]) -> Tensor:
    """Sampling offsets as normalised displacements.

    The released weights were trained with dx divided by the height and dy by the width of the map;
    on square images it is the same (docs/taptr.md, quirks).

    Args:
        offsets: ``[M, Q, heads * L * P * 2]`` (dx, dy), in pixels of each map.
        sizes: Height and width of the maps.
        shape: Heads, L and P.

    Returns:
        ``[M, Q, heads * L * P, 2]``.
    """
    size = size_tensor(sizes, offsets)[:, None]
    return (offsets.unflatten(-1, (*shape, 2)) / size).flatten(2, 4)


def init_xavier(module: nn.Module) -> None:
    """Xavier-uniform weights for every linear layer inside, rays for the sampling offsets.

    As in Deformable DETR, each head starts with one direction, and learned attention weights start
    equal.
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


def rays(heads: int, levels: int, samples: int) -> Tensor:
    """Offsets ``[heads, levels, samples, 2]``: one direction per head, 1, 2, 3, ... cells away."""
    angle = torch.arange(heads) * (2 * math.pi / heads)
    ray = torch.stack([angle.cos(), angle.sin()], -1)
    ray = ray / ray.abs().amax(-1, keepdim=True)
    length = torch.arange(1, samples + 1)[:, None]
    return (ray[:, None, None] * length).expand(heads, levels, samples, 2)
