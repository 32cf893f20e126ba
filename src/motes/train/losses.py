"""Losses of the CoTracker papers, from the refinements that a model records in its traces.

Every term is a mean over its points and frames, first per clip and then over the batch.  Two
processes with one clip each therefore get the same gradient as one process with both clips.
Sources: "CoTracker" (arXiv 2307.07635), "CoTracker3" (arXiv 2410.11831).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.features.correlation import query_patches
from motes.models.base import Trace
from motes.train.config import LossConfig

Losses = dict[str, Tensor]

TEMPERATURE = 0.07
"""Temperature of the softmax over cosine similarities."""

CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Offsets (x, y) of the four cells around a position from the upper left one."""


@dataclass(frozen=True)
class Target:
    """Ground truth of a batch, and a mask for the position losses.

    Attributes:
        xy: float32 ``[B, T, N, 2]``, pixels.
        visible: bool ``[B, T, N]``.
        known: bool ``[B, T, N]``: the truth is known.
        counts: bool ``[B, T, N]``: known, and part of the position losses.
    """

    xy: Tensor
    visible: Tensor
    known: Tensor
    counts: Tensor

    @staticmethod
    def make(xy: Tensor, visible: Tensor, valid: Tensor, queries: Tensor, online: bool) -> Target:
        """Online models learn from the frame of the query on, offline models from all frames."""
        t = torch.arange(xy.shape[1], device=xy.device)[:, None]
        tracked = t >= queries[:, None, :, 0] if online else torch.ones_like(valid)
        known_xy = torch.where(
            valid[..., None], xy, torch.zeros_like(xy)
        )  # NaN would reach all gradients
        return Target(known_xy, visible, valid, valid & tracked)

    def window(self, trace: Trace) -> Target:
        """The frames that a trace covers."""
        return self.frames(slice(trace.start, trace.start + trace.xy[0].shape[1]))

    def frames(self, frames: slice | Tensor) -> Target:
        """The target of some frames."""
        return Target(
            self.xy[:, frames],
            self.visible[:, frames],
            self.known[:, frames],
            self.counts[:, frames],
        )


def point_losses(traces: Sequence[Trace], target: Target, config: LossConfig) -> Losses:
    """The weighted terms of CoTracker3 or CoTracker2, whose sum is the loss.

    Args:
        traces: One per window.
        target: Ground truth of the whole clip.
        config: Weights; its `kind` selects the paper.

    Returns:
        Scalars by name; terms of weight 0 are left out.
    """
    terms = cotracker2_terms if config.kind == "cotracker2" else cotracker3_terms
    windows = [terms(trace, target.window(trace), config) for trace in traces]
    combine = torch.sum if config.kind == "cotracker2" else torch.mean
    return {name: combine(torch.stack([w[name] for w in windows])) for name in windows[0]}


def cotracker3_terms(trace: Trace, target: Target, config: LossConfig) -> Losses:
    """Terms of one window: Huber where visible, L1 where hidden, and cross-entropies."""
    seen, hidden = target.counts & target.visible, target.counts & ~target.visible
    terms = {}
    if config.visible:
        errors = [_huber(xy, target.xy, config.huber) for xy in trace.xy]
        terms["visible"] = config.visible * _discounted(errors, seen, config.gamma)
    if config.occluded:
        errors = [_l1(xy, target.xy) for xy in trace.xy]
        terms["occluded"] = config.occluded * _discounted(errors, hidden, config.gamma)
    if config.visibility:
        entropies = [_cross_entropy(z, target.visible) for z in trace.visibility]
        terms["visibility"] = config.visibility * _average(entropies, target.known)
    if config.confidence and trace.confidence:
        terms["confidence"] = config.confidence * _confidence(trace, target, config.near)
    return terms


def _confidence(trace: Trace, target: Target, near: float) -> Tensor:
    """Cross-entropy of "near the truth" per refinement; hidden points add 0 to the mean."""
    entropies = []
    for xy, z in zip(trace.xy, trace.confidence, strict=True):
        hit = (xy.detach() - target.xy).norm(dim=-1) < near
        entropies.append(_cross_entropy(z, hit) * target.visible)
    return _average(entropies, target.known)


def cotracker2_terms(trace: Trace, target: Target, config: LossConfig) -> Losses:
    """Terms of one window: L1 in all frames, and visibility balanced between its two classes.

    The published code also divides both by the number of points, and uses probabilities as logits.
    Here the terms do not depend on N, and logits are logits.
    """
    errors = [_l1(xy, target.xy) for xy in trace.xy]
    terms = {"position": config.visible * _discounted(errors, target.counts, config.gamma)}
    if config.visibility:
        z = trace.visibility[-1].float()
        seen, hidden = target.counts & target.visible, target.counts & ~target.visible
        balanced = masked_mean(F.softplus(-z), seen) + masked_mean(F.softplus(z), hidden)
        terms["visibility"] = config.visibility * balanced
    return terms


def matching_loss(
    maps: Tensor, stride: int, queries: Tensor, target: Target, frames: Tensor | None = None
) -> Tensor:
    """Loss of locating each point among all cells of a frame by its feature alone.

    Cross-entropy over the cells of every frame in which the point is visible (InfoNCE; van den Oord
    et al., 2018).  It trains the encoder directly, without the transformer.

    Args:
        maps: Normalised features ``[B, T, h, w, C]``.
        stride: Pixels per cell.
        queries: float32 ``[B, N, 3]`` (t, x, y).
        target: Ground truth of the whole clip.
        frames: int64 ``[F]``, frames in which points are located; None: all.
    """
    t = queries[..., 0].long()
    (point_features,) = query_patches(
        [maps], t, queries[..., 1:] / stride, radius=0
    )  # [B, N, 1, C]
    maps = maps if frames is None else maps[:, frames]
    target = target if frames is None else target.frames(frames)
    similar = torch.einsum("bnkc,bthwc->btnhw", point_features, maps).float() / TEMPERATURE
    likely = similar.flatten(3).log_softmax(-1)
    h, w = maps.shape[2:4]
    error = cell_entropy(likely, target.xy / stride, (h, w))
    return masked_mean(error, target.known & target.visible)


def cell_entropy(likely: Tensor, cells: Tensor, size: tuple[int, int]) -> Tensor:
    """Cross-entropy of the cells around a position, each by its bilinear share.

    Args:
        likely: Logarithms of probabilities ``[..., h * w]``, row by row.
        cells: ``[..., 2]`` (x, y), in cells.
        size: Height and width h, w; cells outside count as the nearest inside.

    Returns:
        ``[...]``.
    """
    h, w = size
    corner = cells.floor()
    error = torch.zeros_like(cells[..., 0])
    for offset in CORNERS:
        at = corner + corner.new_tensor(offset)
        share = (1 - (cells - at).abs()).clamp(min=0).prod(-1)
        x, y = at.long().unbind(-1)
        index = y.clamp(0, h - 1) * w + x.clamp(0, w - 1)
        error = error - share * likely.gather(-1, index[..., None])[..., 0]
    return error


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``[B, T, N]`` where the mask is true: clip by clip, then over clips."""
    weight = mask.to(values.dtype)
    return ((values * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)).mean()


def _discounted(errors: Sequence[Tensor], mask: Tensor, gamma: float) -> Tensor:
    """Weighted mean over refinements; later ones have larger weights."""
    last = len(errors) - 1
    terms = [gamma ** (last - i) * masked_mean(error, mask) for i, error in enumerate(errors)]
    return torch.stack(terms).mean()


def _average(values: Sequence[Tensor], mask: Tensor) -> Tensor:
    return torch.stack([masked_mean(value, mask) for value in values]).mean()


def _huber(xy: Tensor, truth: Tensor, delta: float) -> Tensor:
    return F.huber_loss(xy.float(), truth, reduction="none", delta=delta).mean(-1)


def _l1(xy: Tensor, truth: Tensor) -> Tensor:
    return (xy.float() - truth).abs().mean(-1)


def _cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
