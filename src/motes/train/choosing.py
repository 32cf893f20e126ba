"""`ChoosingLearner`: the losses of motes-s, for one window with given candidates."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.errors import InputError
from motes.features.candidates import KINDS, Candidates
from motes.features.correlation import query_patches
from motes.models.base import PointModel
from motes.models.candidate_base import STRIDE, CandidateModel, Estimate
from motes.train.config import LossConfig
from motes.train.losses import Losses, Target, cell_entropy, masked_mean, matching_loss

MATCHED_FRAMES = 4
"""Number of random frames of the matching loss, in which points are located by feature alone."""

MATCHED_LEVEL = 1
"""Level of the features of the matching loss, of stride 4."""

SMOOTHING = 0.05
"""Pixels that are added under the square root of distances, so that they have a gradient at 0."""

CHOICE_SHARPNESS = 0.3
"""Pixels that are added to distances from the truth, so that target shares stay finite."""

FAR = 1e6
"""Distance in pixels that stands for a missing candidate."""


class ChoosingLearner(nn.Module):
    """Refines a window from its candidates and returns the losses.

    The stage of training depends on the configuration of the model: without `choosing`, refinement
    starts from the first kind of candidate, and features, offsets and scores are trained; with it,
    all kinds are used, some dropped at random, and the choice is trained as well.

    Args:
        model: A `CandidateModel`, such as `MotesS`.
        config: Weights of the losses.
        iterations: Number of refinements; None: the model's default.
        bf16: Whether the network computes in bfloat16; positions and losses stay in float32.

    Raises:
        InputError: The model is not a `CandidateModel`.
    """

    def __init__(
        self, model: PointModel, config: LossConfig, iterations: int | None, bf16: bool = False
    ) -> None:
        super().__init__()
        if not isinstance(model, CandidateModel):
            name = type(model).__name__
            raise InputError(
                f"loss motes-s: expected a model that starts from candidates, got {name}"
            )
        self.model: CandidateModel = model
        self.config, self.iterations, self.bf16 = config, iterations, bf16

    def forward(
        self,
        video: Tensor,
        xy: Tensor,
        visible: Tensor,
        valid: Tensor,
        queries: Tensor,
        candidates: Tensor | None = None,
        error: Tensor | None = None,
    ) -> Losses:
        """Run through one window of S frames.

        Args:
            video: uint8 ``[B, S + 1, 3, H, W]``; the last frame holds only queries.
            xy: float32 ``[B, S + 1, N, 2]``, the truth in pixels of the video.
            visible: bool ``[B, S + 1, N]``.
            valid: bool ``[B, S + 1, N]``, where the truth is known.
            queries: float32 ``[B, N, 3]`` (t, x, y).
            candidates: float32 ``[B, N, S, K, 2]``, pixels, of all K kinds.
            error: float32 ``[B, N, S, K]``, pixels.

        Returns:
            The weighted terms of the loss by name; the loss is their sum.

        Raises:
            InputError: `candidates` or `error` is None.
        """
        if candidates is None or error is None:
            raise InputError("loss motes-s: expected a data source that gives candidates: rendered")
        S, size = candidates.shape[2], (video.shape[-2], video.shape[-1])
        target = Target(xy, visible, valid, valid)
        terms: Losses = {}
        with torch.autocast(video.device.type, torch.bfloat16, enabled=self.bf16):
            levels = self.model.levels(video.float() / 255, size)
        if self.config.matching:
            terms["matching"] = self.config.matching * self._matching(levels, queries, target, S)
        if self.bf16:
            levels = tuple(level.bfloat16() for level in levels)
        chosen = self._drop_some(candidates, error)
        with torch.autocast(video.device.type, torch.bfloat16, enabled=self.bf16):
            t, cells = queries[..., 0].long(), queries[..., 1:] / STRIDE
            support = query_patches(levels, t, cells, self.model.config.radius)
            window = [level[:, :S] for level in levels]
            history = self.model.refine(
                window, support, chosen, size, iterations=self.iterations, kinds=self._kinds
            )
        start = self.model.initial(chosen, size, self._kinds)
        return terms | self._terms(start, history, chosen, target.frames(slice(S)))

    @property
    def _kinds(self) -> tuple[str, ...]:
        config = self.model.config
        return (self.config.candidates or KINDS) if config.choosing else config.candidates[:1]

    def _drop_some(self, candidates: Tensor, error: Tensor) -> Candidates:
        """The candidates of this stage, in cells; random kinds, never the first, are missing."""
        kinds = [KINDS.index(kind) for kind in self._kinds]
        error = error[..., kinds]
        dropped = torch.rand_like(error[:, :, :1]) < self.config.missing
        dropped[..., 0] = False
        error = error.masked_fill(dropped, torch.inf)
        return Candidates(candidates[..., kinds, :] / STRIDE, error)

    def _matching(
        self, levels: tuple[Tensor, ...], queries: Tensor, target: Target, frames: int
    ) -> Tensor:
        chosen = torch.randperm(frames, device=queries.device)[:MATCHED_FRAMES]
        stride = STRIDE * 2**MATCHED_LEVEL
        return matching_loss(levels[MATCHED_LEVEL].float(), stride, queries, target, chosen)

    def _terms(
        self, start: Estimate, history: list[Estimate], candidates: Candidates, target: Target
    ) -> Losses:
        """All terms but the matching loss: weighted sums over iterations, the last one most."""
        c, sums = (
            self.config,
            dict.fromkeys(("visible", "occluded", "visibility", "confidence"), 0.0),
        )
        terms: dict[str, Tensor] = cast(dict[str, Tensor], sums)
        peaks = choice = torch.zeros((), device=start.xy.device)
        before = start
        for i, now in enumerate(history):
            share = c.gamma ** (len(history) - 1 - i)
            for name, value in estimate_terms(now, target, c).items():
                terms[name] = terms[name] + share * value
            if now.peaks is not None:
                peaks = peaks + peak_entropy(now.peaks, before, target, self.model.config.radius)
            if now.choice is not None:
                choice = choice + choice_entropy(now.choice, before, candidates, target)
            before = now
        last = history[-1]
        if last.choice is not None and self.model.config.choosing:
            terms["choice"] = c.choice * choice
        if last.peaks is not None and c.peaks:
            terms["peaks"] = c.peaks * peaks
        return terms


def estimate_terms(now: Estimate, target: Target, config: LossConfig) -> Losses:
    """Terms of one iteration: positions, visibility, confidence."""
    seen, hidden = target.known & target.visible, target.known & ~target.visible
    away = now.xy.transpose(1, 2) * STRIDE - target.xy
    distance = (away.square().sum(-1) + SMOOTHING**2).sqrt()
    robust = torch.log1p(distance / config.softness)
    visible, confidence = now.scores.float().transpose(1, 2).unbind(-1)
    hit = distance.detach() < config.near
    return {
        "visible": config.visible * masked_mean(robust, seen),
        "occluded": config.occluded * masked_mean(robust, hidden),
        "visibility": config.visibility
        * masked_mean(_cross_entropy(visible, target.visible), target.known),
        "confidence": config.confidence * masked_mean(_cross_entropy(confidence, hit), seen),
    }


def peak_entropy(peaks: Tensor, before: Estimate, target: Target, radius: int) -> Tensor:
    """Cross-entropy of each level's window, where the window holds the true position."""
    offset = target.xy.transpose(1, 2) / STRIDE - before.xy.detach()  # [B, N, S, 2]
    seen, side = (target.known & target.visible).transpose(1, 2), 2 * radius + 1
    terms = []
    for level in range(peaks.shape[3]):
        here = offset / 2**level
        held = seen & (here.abs() < radius).all(-1)
        likely = peaks[..., level, :].log_softmax(-1)
        # x is the slow index of a window, so that rows are columns.
        entropy = cell_entropy(likely, (here + radius).flip(-1), (side, side))
        terms.append(torch.where(held, entropy, 0).sum() / held.sum().clamp(min=1))
    return torch.stack(terms).mean()


def choice_entropy(
    choice: Tensor, before: Estimate, candidates: Candidates, target: Target
) -> Tensor:
    """Cross-entropy of the choice; the target share falls with the distance from the truth."""
    truth = target.xy.transpose(1, 2)
    stay = torch.linalg.vector_norm(before.xy.detach() * STRIDE - truth, dim=-1)
    away = torch.linalg.vector_norm(candidates.xy * STRIDE - truth[..., None, :], dim=-1)
    distance = torch.cat([stay[..., None], away.where(candidates.error.isfinite(), FAR)], -1)
    share = 1 / (distance + CHOICE_SHARPNESS) ** 2
    share = share / share.sum(-1, keepdim=True)
    entropy = -(share * choice.log_softmax(-1)).sum(-1).transpose(1, 2)
    weight = target.known * (target.visible + HIDDEN_SHARE * ~target.visible)
    per_clip = (entropy * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)
    return per_clip.mean()


HIDDEN_SHARE = 0.2
"""Weight of hidden points in the choice."""


def _cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
