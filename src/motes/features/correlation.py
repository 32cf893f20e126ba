"""Correlation of feature patches around points with those around their queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from motes.features.linear import linear
from motes.features.sampling import Outside, blend, by_kernel, neighbourhood, patches

WORKING_SET = 2**22
"""Elements gathered at a time on a CPU: few enough to fit into its caches."""

WORKING_SET_ELSEWHERE = 2**26
"""The same on an accelerator, for which many small parts are slow."""

PEAK = 4
"""Channels by which `PeakCorrelation` describes a peak."""

INITIAL_SHARPNESS = 2.64
"""Initial logarithm of the factor from correlation to logit."""


def stack(level: Tensor) -> Tensor:
    """``[B, T, h, w, C]`` to ``[M, h, w, C]``: B T maps, or T if the batch repeats one video."""
    same = level.shape[0] > 1 and level.stride(0) == 0
    return level[0] if same else level.flatten(0, 1)


def map_index(level: Tensor, frame: Tensor) -> Tensor:
    """Index of the map of a frame in the result of `stack`.

    Args:
        level: ``[B, T, h, w, C]``.
        frame: int64 ``[B, ...]``; frames from T on are read as frame T - 1.

    Returns:
        int64 ``[B, ...]``.
    """
    B, T = level.shape[:2]
    per_video = 0 if level.stride(0) == 0 else T
    video = torch.arange(B, device=frame.device).view(-1, *(1 for _ in frame.shape[1:]))
    return video * per_video + frame.clamp(max=T - 1)


def window_index(level: Tensor, xy: Tensor) -> Tensor:
    """`map_index` of each point and frame ``[B, N, S]`` of a window that starts at frame 0."""
    frame = torch.arange(xy.shape[2], device=xy.device)
    return map_index(level, frame.expand(xy.shape[:3]))


def query_patches(levels: Sequence[Tensor], t: Tensor, xy: Tensor, radius: int) -> list[Tensor]:
    """Features around queries, per pyramid level.

    Args:
        levels: ``[B, T, h, w, C]``.
        t: int64 ``[B, N]``, frame of each query.
        xy: float32 ``[B, N, 2]``, pixels of the first level.
        radius: Of the patches.

    Returns:
        Per level ``[B, N, (2r+1)^2, C]``.
    """
    index = map_index(levels[0], t).flatten()
    found = []
    for level, maps in enumerate(levels):
        samples = patches(stack(maps), index, xy.flatten(0, 1) / 2**level, radius)
        found.append(samples.unflatten(0, t.shape))
    return found


class PatchCorrelation(nn.Module):
    """All-pairs correlation of two patches and an MLP (LocoTrack; CoTracker3, section 3.2).

    Args:
        radius: Patches are ``(2r+1) x (2r+1)``.
        levels: Pyramid levels; they share the MLP.
        hidden: Hidden width of the MLP.
        out: Channels per level.
    """

    def __init__(self, radius: int, levels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.radius = radius
        self.out_channels = levels * out
        self.fc1 = nn.Linear((2 * radius + 1) ** 4, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, levels: Sequence[Tensor], support: Sequence[Tensor], xy: Tensor) -> Tensor:
        """Correlate.

        Args:
            levels: ``[B, T, h, w, C]``.
            support: Per level ``[B, N, (2r+1)^2, C]``, by `query_patches`.
            xy: float32 ``[B, N, S, 2]``, pixels of the first level.  Frames from T on are
                read as frame T - 1.

        Returns:
            ``[B, N, S, out_channels]``.
        """
        B, N = xy.shape[:2]
        index = window_index(levels[0], xy).flatten(0, 1)
        xy = xy.flatten(0, 1)
        embedded = [
            self._embed(stack(maps), patch.flatten(0, 1), index, xy / 2**level)
            for level, (maps, patch) in enumerate(zip(levels, support, strict=True))
        ]
        return torch.cat(embedded, -1).unflatten(0, (B, N))

    def _embed(self, maps: Tensor, support: Tensor, index: Tensor, xy: Tensor) -> Tensor:
        """One level, a few points at a time; points ``[n, S]`` to ``[n, S, out]``."""
        each = xy.shape[1] * (2 * self.radius + 2) ** 2 * maps.shape[-1]
        done = []
        for patch, frames, at in in_parts(each, support, index, xy):
            done.append(self.describe(correlate(maps, patch, frames, at, self.radius)))
        return torch.cat(done)

    def describe(self, volume: Tensor) -> Tensor:
        """Embed correlations ``[n, S, (2r+1)^4]`` as ``[n, S, out]``."""
        return linear(self.fc2, linear(self.fc1, volume, "none"))


class Match(NamedTuple):
    """Output of `PeakCorrelation` for N points in S frames; L levels.

    Attributes:
        embedding: ``[B, N, S, out_channels]``, for the token.
        offsets: ``[B, N, S, L, 2]``: displacement from the given position to the best match, per
            level, in pixels of the first level.
        logits: ``[B, N, S, L, (2r+1)^2]``: of each position of the search window; x slow.
    """

    embedding: Tensor
    offsets: Tensor
    logits: Tensor


class PeakCorrelation(PatchCorrelation):
    """`PatchCorrelation` that also locates the best match of the query's centre.

    The soft argmax of the centre's correlation over the window gives an offset per level; the
    offset, the highest correlation and the concentration of the softmax join the embedding.

    Args:
        radius: See `PatchCorrelation`.
        levels: See `PatchCorrelation`.
        hidden: See `PatchCorrelation`.
        out: See `PatchCorrelation`.
    """

    steps: Tensor

    def __init__(self, radius: int, levels: int, hidden: int, out: int) -> None:
        super().__init__(radius, levels, hidden, out)
        self.out_channels = levels * (out + PEAK)
        self.sharpness = nn.Parameter(torch.full((1,), INITIAL_SHARPNESS))  # logarithm
        side = torch.arange(-radius, radius + 1.0)
        steps = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1).flatten(0, 1)
        self.register_buffer("steps", steps, persistent=False)

    def match(self, levels: Sequence[Tensor], support: Sequence[Tensor], xy: Tensor) -> Match:
        """Correlate; arguments as for `forward`."""
        K, L = len(self.steps), len(levels)
        found = self(levels, support, xy).unflatten(-1, (L, -1))
        embedding, logits = found[..., :-K], found[..., -K:]
        scale = 2.0 ** torch.arange(L, device=xy.device)
        offsets = embedding[..., -PEAK : 2 - PEAK].float() * scale[:, None]
        return Match(embedding.flatten(-2), offsets, logits)

    def describe(self, volume: Tensor) -> Tensor:
        """Embedding, peak (offset, maximum, concentration) and logits of the window."""
        embedding, K = super().describe(volume), len(self.steps)
        with torch.autocast(volume.device.type, enabled=False):
            centre = volume.float().unflatten(-1, (K, K))[..., K // 2]
            logits = centre * self.sharpness.exp()
            weights = logits.softmax(-1)
            offset, best = weights @ self.steps, centre.amax(-1, keepdim=True)
            concentration = weights.square().sum(-1, keepdim=True)
            return torch.cat([embedding.float(), offset, best, concentration, logits], -1)


def in_parts(each: int, *inputs: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Split inputs along their first axis into parts of at most the working set.

    In training they are not split: each part would have a gradient of all feature maps.  Nor are
    they in an exported graph, which takes any number of entries.

    Args:
        each: Elements computed for one entry.
        *inputs: Tensors of equal length.
    """
    if torch.is_grad_enabled() or torch.compiler.is_exporting():
        return iter([inputs])
    limit = WORKING_SET if inputs[0].device.type == "cpu" else WORKING_SET_ELSEWHERE
    count = max(1, limit // each)
    return zip(*(v.split(count) for v in inputs), strict=True)


def correlate(
    maps: Tensor,
    support: Tensor,
    index: Tensor,
    xy: Tensor,
    radius: int,
    outside: Outside = "border",
) -> Tensor:
    """Dot products of all pairs from two patches.

    The dot products are taken at whole pixels and interpolated afterwards: both are linear, and
    there are fewer dot products than channels to interpolate.

    Args:
        maps: ``[M, h, w, C]``.
        support: ``[n, K, C]``, any K.
        index: int64 ``[n, S]``, number of the map.
        xy: float32 ``[n, S, 2]``, pixels of the map.
        radius: Of the patch that is read from the maps.
        outside: Padding of the maps.

    Returns:
        ``[n, S, (2r+1)^2 * K]``: position in the map slow, row of `support` fast.
    """
    if by_kernel(maps):
        from motes.features import kernels

        return kernels.correlate(maps, support, index, xy, radius, outside)
    n, S = index.shape
    values, fraction = neighbourhood(maps, index.flatten(), xy.flatten(0, 1), radius, outside)
    side, C = values.shape[1], values.shape[-1]
    K = support.shape[1]
    dots = values.view(n, S * side * side, C) @ support.mT  # [n, S side side, K]
    blended = blend(dots.view(n * S, side, side, K), fraction)
    return blended.reshape(n, S, (side - 1) ** 2 * K)


def correlate_by_definition(
    maps: Tensor, support: Tensor, index: Tensor, xy: Tensor, radius: int
) -> Tensor:
    """The readable reference of `correlate`: sample both patches, then multiply."""
    n, S = index.shape
    target = patches(maps, index.flatten(), xy.flatten(0, 1), radius).unflatten(0, (n, S))
    return torch.einsum("nspc,nkc->nspk", target, support).flatten(2)


def point_correlation(
    levels: Sequence[Tensor],
    features: Tensor,
    xy: Tensor,
    radius: int,
    outside: Outside = "border",
) -> Tensor:
    """Correlation of each point's feature with the maps around it (CoTracker, section 3.2).

    Args:
        levels: ``[B, T, h, w, C]``.
        features: ``[B, N, S, C]``, one for each point and frame.
        xy: float32 ``[B, N, S, 2]``, pixels of the first level.  Frames from T on are read as
            frame T - 1.
        radius: Of the patches.
        outside: Padding of the maps.

    Returns:
        ``[B, N, S, levels * (2r+1)^2]``, dot products over the square root of C.
    """
    C, size = features.shape[-1], (2 * radius + 1) ** 2
    frames = window_index(levels[0], xy).view(-1, 1)
    rows = (features.reshape(-1, 1, C), frames, xy.reshape(-1, 1, 2))  # a point in a frame is a row
    found = []
    for feature, index, at in in_parts((2 * radius + 2) ** 2 * C, *rows):
        matches = (
            correlate(stack(maps), feature / C**0.5, index, at / 2**level, radius, outside)
            for level, maps in enumerate(levels)
        )
        found.append(torch.cat(list(matches), -1))
    return torch.cat(found).view(*xy.shape[:3], len(levels) * size)
