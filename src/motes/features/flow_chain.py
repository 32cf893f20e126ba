"""Points that follow dense flow over steps of several lengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from motes.features.flow_fields import Fields, inside

LEFT = 20.0
"""Added to the error of a step out of the frame, in pixels."""

UNLIKE, OTHER = 3.0, 10.0
"""Added to the error of a step, in pixels, for each unit by which its end looks unlike its
beginning, and once more from half a unit on: that is something else, which came in front."""

AGREE, AGREE_AT_LEAST = 10.0, 0.5
"""A long step may end so many times the error of the shortest step away from it, and so many pixels
more.  With 40 times the error, points of a printed board jump to the neighbouring circle."""


@torch.no_grad()
def follow(fields: Fields, xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Let points go with the flow from the frames in which they are known to all others.

    A frame is reached by several steps, whichever ends with the smallest error: long ones drift
    less, and lead past what hides a point for a moment (Neoral, Serych and Matas, "MFT: Long-Term
    Tracking of Every Pixel", 2024, section 3; there with learned flow and learned uncertainty).
    Where a pattern repeats they also lead to the wrong copy and home again, so they may not end far
    from the shortest step, as far as that one is sure.

    Args:
        fields: The flow between S frames; its `deltas` are the lengths of the steps.
        xy: float32 ``[B, N, S, 2]``, pixels.
        error: float32 ``[B, N, S]``, how far off these are in pixels; infinite where a place is to
            be found, which happens after the known ones first, then before them.

    Returns:
        Places and errors of the same shapes, without gradients.  A point that is known nowhere
        rests.
    """
    places, errors = list(xy.unbind(2)), list(error.unbind(2))
    S = len(places)
    for direction in (1, -1):
        wanted = [e.isinf() for e in errors]
        for b in range(S)[::direction]:
            sources = [b - direction * delta for delta in fields.deltas]
            sources = [a for a in sources if 0 <= a < S and errors[a][wanted[b]].isfinite().any()]
            if sources:
                begin = torch.stack([places[a] for a in sources], 2)
                doubt = torch.stack([errors[a] for a in sources], 2)
                place, total = best(*step(fields, sources, b, begin, doubt))
                found = wanted[b] & total.isfinite()
                places[b] = torch.where(found[..., None], place, places[b])
                errors[b] = torch.where(found, total, errors[b])
    return torch.stack(places, 2), torch.stack(errors, 2)


def step(
    fields: Fields, sources: Sequence[int], to: int, xy: Tensor, error: Tensor
) -> tuple[Tensor, Tensor]:
    """Go from W frames to one.

    Errors of steps add up in squares, as independent ones do, so that hours of video do not wear
    out a point that is seen well.

    Args:
        fields: The flow between frames.
        sources: Numbers of the W frames.
        to: Number of the other one.
        xy: ``[B, N, W, 2]``, pixels of these frames.
        error: ``[B, N, W]``, pixels, how far off these are.

    Returns:
        Places in frame `to`, and how far off they are: the error so far, the distance from home at
        which the way back ends, and what looks are worth.
    """
    ways, ways_back = [(a, to) for a in sources], [(to, a) for a in sources]
    fields.find(ways, ways_back)
    there, unlike = fields.sample(ways, xy)
    moved = xy + there
    back, _ = fields.sample(ways_back, moved)
    return moved, torch.hypot(error, step_error(moved, there + back, unlike, fields.size))


def step_error(end: Tensor, missed: Tensor, unlike: Tensor, size: Sequence[int]) -> Tensor:
    """How far off a single step may be, in pixels.

    Args:
        end: ``[..., 2]``, where it ends.
        missed: ``[..., 2]``, from its beginning to where the way back ends.
        unlike: ``[...]``, appearance cost.
        size: Height and width of the frames.
    """
    looks = UNLIKE * unlike.clamp(min=0) + OTHER * (unlike - 0.5).clamp(min=0)
    return torch.linalg.vector_norm(missed, dim=-1) + LEFT * ~inside(end, size) + looks


def best(xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Of W places the surest that agrees with the first: ``[B, N, 2]`` and ``[B, N]``."""
    apart = torch.linalg.vector_norm(xy - xy[:, :, :1], dim=-1)
    agrees = apart < AGREE * error[:, :, :1] + AGREE_AT_LEAST
    chosen = torch.where(agrees, error, torch.inf).argmin(2, keepdim=True)
    place = xy.take_along_dim(chosen[..., None], 2)[:, :, 0]
    return place, error.take_along_dim(chosen, 2)[:, :, 0]
