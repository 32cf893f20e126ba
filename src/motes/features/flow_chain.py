"""Points that follow dense flow over steps of several lengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from motes.features.flow_fields import FlowFields, inside

OUTSIDE_PENALTY = 20.0
"""Error that a step out of the frame adds, in pixels."""

APPEARANCE_PENALTY = 3.0
"""Error per unit of the appearance cost, in pixels."""

OCCLUSION_PENALTY, OCCLUSION_COST = 10.0, 0.5
"""Further error per unit of the appearance cost above OCCLUSION_COST, in pixels: there something
else covers the point."""

AGREEMENT_FACTOR, AGREEMENT_TOLERANCE = 10.0, 0.5
"""A long step may end this many times the error of the shortest step away from it, plus a tolerance
in pixels.  With a factor of 40, points of a printed board jump to the neighbouring circle."""


@torch.no_grad()
def follow(fields: FlowFields, xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Track points with the flow, from the frames in which they are known to all others.

    A frame is reached by steps of several lengths; the one with the smallest error is taken.  Long
    steps drift less, and pass short occlusions (Neoral, Serych and Matas, "MFT: Long-Term Tracking
    of Every Pixel", 2024, section 3; there with learned flow and learned uncertainty).  In repeated
    patterns a long step can end at another copy with a small forward-backward error, so it may not
    end far from the shortest step, as far as that one is reliable.

    Args:
        fields: The flow between S frames; its `deltas` are the lengths of the steps.
        xy: float32 ``[B, N, S, 2]``, pixels.
        error: float32 ``[B, N, S]``, errors of these positions in pixels; infinite where a position
            is unknown.  Unknown positions after the known ones are computed first, then those
            before them.

    Returns:
        Positions and errors of the same shapes, without gradients.  A point that is unknown in all
        frames keeps its positions.
    """
    positions, errors = list(xy.unbind(2)), list(error.unbind(2))
    S = len(positions)
    for direction in (1, -1):
        unknown = [e.isinf() for e in errors]
        for b in range(S)[::direction]:
            sources = [b - direction * delta for delta in fields.deltas]
            sources = [a for a in sources if 0 <= a < S and errors[a][unknown[b]].isfinite().any()]
            if sources:
                begin = torch.stack([positions[a] for a in sources], 2)
                begin_error = torch.stack([errors[a] for a in sources], 2)
                position, total = best(*step(fields, sources, b, begin, begin_error))
                reached = unknown[b] & total.isfinite()
                positions[b] = torch.where(reached[..., None], position, positions[b])
                errors[b] = torch.where(reached, total, errors[b])
    return torch.stack(positions, 2), torch.stack(errors, 2)


def compute_steps(fields: FlowFields, first: int) -> None:
    """Compute the flow of all steps of `follow` that end in frame `first` or in a later one."""
    for b in range(first, fields.num_frames):
        fields.compute(*_steps_to(fields, b))


def compute_steps_ahead(fields: FlowFields, b: int) -> None:
    """Begin to compute the flow of all steps of `follow` that end in frame b, in the background."""
    fields.compute_ahead(*_steps_to(fields, b))


def _steps_to(fields: FlowFields, b: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of frames, forward and backward."""
    sources = [b - delta for delta in fields.deltas if delta <= b]
    return [(a, b) for a in sources], [(b, a) for a in sources]


def step(
    fields: FlowFields, sources: Sequence[int], to: int, xy: Tensor, error: Tensor
) -> tuple[Tensor, Tensor]:
    """Track from each of W frames to one.

    Errors of steps add up in squares, as independent errors do, so that the error of a point that
    is well visible stays small in hours of video.

    Args:
        fields: The flow between frames.
        sources: Numbers of the W frames.
        to: Number of the frame to reach.
        xy: ``[B, N, W, 2]``, pixels, in the W frames.
        error: ``[B, N, W]``, errors of these in pixels.

    Returns:
        Positions in frame `to` ``[B, N, W, 2]``, and their errors: from the errors so far, the
        forward-backward error, and penalties for the appearance and for leaving the frame.
    """
    forward, backward = [(a, to) for a in sources], [(to, a) for a in sources]
    fields.compute(forward, backward)
    displacement, cost = fields.sample(forward, xy)
    reached = xy + displacement
    back, _ = fields.sample(backward, reached)
    of_step = step_error(reached, displacement + back, cost, fields.size_hw)
    return reached, torch.hypot(error, of_step)


def step_error(
    end: Tensor, forward_backward: Tensor, cost: Tensor, size_hw: Sequence[int]
) -> Tensor:
    """Error of a single step in pixels, ``[...]``.

    Args:
        end: ``[..., 2]``, where the step ends, pixels.
        forward_backward: ``[..., 2]``, from its start to the end of the step back, pixels.
        cost: ``[...]``, appearance cost.
        size_hw: Height and width of the frames.
    """
    appearance = APPEARANCE_PENALTY * cost.clamp(min=0)
    appearance = appearance + OCCLUSION_PENALTY * (cost - OCCLUSION_COST).clamp(min=0)
    distance = torch.linalg.vector_norm(forward_backward, dim=-1)
    return distance + OUTSIDE_PENALTY * ~inside(end, size_hw) + appearance


def best(xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Of W positions the one with the smallest error that agrees with the first.

    Args:
        xy: ``[B, N, W, 2]``.
        error: ``[B, N, W]``.

    Returns:
        ``[B, N, 2]`` and ``[B, N]``.
    """
    distance = torch.linalg.vector_norm(xy - xy[:, :, :1], dim=-1)
    agrees = distance < AGREEMENT_FACTOR * error[:, :, :1] + AGREEMENT_TOLERANCE
    chosen = torch.where(agrees, error, torch.inf).argmin(2, keepdim=True)
    position = xy.take_along_dim(chosen[..., None], 2)[:, :, 0]
    return position, error.take_along_dim(chosen, 2)[:, :, 0]
