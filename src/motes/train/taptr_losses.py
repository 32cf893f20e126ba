"""Losses of TAPTR and TAPTRv2, over whole videos and all decoder layers.

Sources: "TAPTR" (arXiv 2403.13042), "TAPTRv2" (arXiv 2407.16291).  Positions are compared in
normalised units (0 and 1 are the centres of the first and last pixel), so that the weights do not
depend on the resolution.  Frames up to the query frame are not part of the losses.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.data.sample import Sample
from motes.models.base import Prediction
from motes.models.taptr import OCCLUDED, VISIBLE, LayerTrace

POSITION_WEIGHT = 5.0
CLASS_WEIGHT = 1.0


def taptr_losses(prediction: Prediction, sample: Sample, queries: Tensor) -> dict[str, Tensor]:
    """The weighted terms of the loss.

    Args:
        prediction: Prediction in training mode; its `aux` is a `LayerTrace` of the whole video.
        sample: Ground truth, with a batch axis.
        queries: ``[B, N, 3]`` (t, x, y).

    Returns:
        Scalars, whose sum is the loss: ``position_0``, ..., one per layer; ``update_0``, ..., the
        same after the attention-based position update (TAPTRv2 only); ``class``, of the last layer.
    """
    trace: LayerTrace = prediction.aux
    t = torch.arange(sample.num_frames, device=queries.device)[:, None]
    tracked = (t > queries[:, None, :, 0]) & sample.valid  # [B, T, N]
    scale = sample.xy.new_tensor(sample.size) - 1
    truth = torch.where(tracked[..., None], sample.xy / scale, 0)  # unknown positions may be NaN
    inside = tracked & ((truth >= 0) & (truth <= 1)).all(-1)
    extra = (
        1 if trace.moved else 0
    )  # the published TAPTRv2 divides by the number of points plus one
    terms = {}
    for name, layers in (("position", trace.positions), ("update", trace.moved)):
        for index, logits in enumerate(layers):
            distance = (logits[..., :2].sigmoid() - truth).abs().sum(-1)
            terms[f"{name}_{index}"] = POSITION_WEIGHT * mean(distance, inside, extra)
    errors = class_errors(trace.classes[-1], sample.visible)
    return {**terms, "class": CLASS_WEIGHT * mean(errors, tracked, extra)}


def mean(values: Tensor, mask: Tensor, extra: int) -> Tensor:
    """Mean over the mask, with its size plus `extra` as divisor: per video, then over the batch.

    Args:
        values: ``[B, T, N]``.
        mask: bool ``[B, T, N]``.
        extra: Added to the divisor.
    """
    total = torch.where(mask, values, 0).sum((1, 2))
    return (total / (mask.sum((1, 2)) + extra).clamp(min=1)).mean()


def class_errors(logits: Tensor, visible: Tensor) -> Tensor:
    """Sigmoid focal loss, summed over the classes (alpha 0.25, gamma 2; Lin et al. 2017).

    Args:
        logits: ``[B, T, N, 3]``.
        visible: bool ``[B, T, N]``.

    Returns:
        ``[B, T, N]``.
    """
    kind = torch.where(visible, VISIBLE, OCCLUDED)
    target = F.one_hot(kind, logits.shape[-1]).to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    miss = (target - logits.sigmoid()).abs()
    alpha = 0.25 * target + 0.75 * (1 - target)
    return (alpha * miss**2 * entropy).sum(-1)
