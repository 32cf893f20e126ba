"""The direct step: flow from the frame of a query straight to every other frame.

A search from a distant frame begins at the flow that a chain of the longest steps predicts.  Of
this chain only the flow to its last frame is kept, the base of the steps that follow (Neoral,
Serych and Matas, "MFT: Long-Term Tracking of Every Pixel", 2024, take a direct step, too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from motes.features.flow_chain import step_error
from motes.features.flow_fields import FlowFields, composed, sample_fields

MAX_ANCHORS = 4
"""Query frames of a video from which direct steps are taken at a time."""

UNMET = -1
"""Frame number of a query whose frame has not come."""


@dataclass(frozen=True)
class Anchors:
    """Query frames, and the predicted flow between each and its base.

    Attributes:
        videos: Which video of the batch each belongs to.
        numbers: Frame numbers.
        bases: Frame numbers of the bases; the query's frame, plus a multiple of the longest step.
        frames: Grey query frames, uint8 ``[H, W]``.
        there: Flow from each to its base, float32 ``[h, w, 2]``.
        back: Flow from the base to the query's frame.
    """

    videos: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    bases: tuple[int, ...] = ()
    frames: tuple[Tensor, ...] = ()
    there: tuple[Tensor, ...] = ()
    back: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class _Anchor:
    """One of them, as arrays."""

    video: int
    number: int
    base: int
    frame: np.ndarray
    there: np.ndarray
    back: np.ndarray


def follow_anchors(
    anchors: Anchors,
    numbers: Tensor,
    new: Tensor,
    fields: FlowFields,
    xy: Tensor,
    error: Tensor,
    start: int,
    most: int = MAX_ANCHORS,
) -> tuple[Tensor, Tensor, Anchors]:
    """Take direct steps to all frames in which positions are not known yet.

    Args:
        anchors: From the window before.
        numbers: int64 ``[B, N]``, the frame of each query, or `UNMET`.
        new: bool ``[B, N]``: the frame of the query is in this window for the first time.
        fields: The flow between the S frames of the window.
        xy: float32 ``[B, N, S, 2]``, pixels; the position of the query where none is known.
        error: float32 ``[B, N, S]``; infinite where a position is to be found.
        start: Number of the first frame.
        most: Query frames from which steps are taken.

    Returns:
        Positions and errors of the same shapes, and the anchors for the next window.  Errors stay
        infinite for points whose query frame is not among the first `most` in use.
    """
    xy, error, kept = xy.clone(), error.clone(), []
    for anchor in _in_use(anchors, numbers, new, fields, start, most):
        b, points = anchor.video, (numbers[anchor.video] == anchor.number).nonzero()[:, 0]
        if bool(new[b, points].any()):
            anchor = _begun(anchor)
            moved, later = _walk(
                anchor, fields, start, range(anchor.number - start + 1, xy.shape[2])
            )
            _, earlier = _walk(anchor, fields, start, range(anchor.number - start - 1, -1, -1))
            walks = [later, earlier]
        else:
            first = int(error[b, points].isfinite().all(0).sum())
            moved, later = _walk(anchor, fields, start, range(first, xy.shape[2]))
            walks = [later]
        kept.append(moved)
        for walk in walks:
            if walk.frames:
                _fill(xy[b], error[b], points, walk, fields.size_hw)
    return xy, error, _packed(kept)


def _in_use(
    anchors: Anchors, numbers: Tensor, new: Tensor, fields: FlowFields, start: int, most: int
) -> list[_Anchor]:
    """The anchors that points use: those there are, then new ones while there is room."""
    used = [set(row.tolist()) for row in numbers]
    kept = [anchor for anchor in _unpacked(anchors) if anchor.number in used[anchor.video]]
    for b, (row, begins) in enumerate(zip(numbers, new, strict=True)):
        known = {anchor.number for anchor in kept if anchor.video == b}
        wanted = sorted(set(row[begins].tolist()) - known)
        for number in wanted[: most - len(known)]:
            frame = fields.frame(b, number - start)
            kept.append(_begun(_Anchor(b, number, number, frame, frame, frame)))
    return kept


def _begun(anchor: _Anchor) -> _Anchor:
    """With its own frame as the base."""
    h, w = (-(-side // 2) for side in anchor.frame.shape)
    still = np.zeros((h, w, 2), np.float32)
    return replace(anchor, base=anchor.number, there=still, back=still)


@dataclass(frozen=True)
class _Walk:
    """Frames of a window, and the fields from an anchor to each and back."""

    frames: list[int]
    there: list[np.ndarray]
    back: list[np.ndarray]


def _walk(anchor: _Anchor, fields: FlowFields, start: int, frames: range) -> tuple[_Anchor, _Walk]:
    """From frame to frame; also the anchor with the last base."""
    walk = _Walk([], [], [])
    for t in frames:
        base = anchor.base - start
        if not 0 <= base < fields.num_frames:
            raise ValueError(f"expected a window that holds frame {anchor.base}, from {start} on")
        forward = composed(anchor.there, fields.chained(anchor.video, base, t))
        backward = composed(fields.chained(anchor.video, t, base), anchor.back)
        there, back = fields.direct(anchor.video, anchor.frame, t, (forward, backward))
        walk.frames.append(t)
        walk.there.append(there)
        walk.back.append(back)
        if abs(t - base) == max(fields.deltas):
            anchor = replace(anchor, base=start + t, there=forward, back=backward)
    return anchor, walk


def _fill(xy: Tensor, error: Tensor, points: Tensor, walk: _Walk, size: tuple[int, int]) -> None:
    """Write what a walk says of some points where nothing is known, ``[N, S, 2]``, ``[N, S]``."""
    frames = torch.tensor(walk.frames, device=xy.device)
    index = torch.arange(len(frames), device=xy.device).expand(len(points), -1)
    here = points[:, None], frames
    there, unlike = sample_fields(walk.there, index, xy[here], size)
    end = xy[here] + there
    back, _ = sample_fields(walk.back, index, end, size)
    unknown = error[here].isinf()
    far = step_error(end, there + back, unlike, size)
    xy[here] = torch.where(unknown[..., None], end, xy[here])
    error[here] = torch.where(unknown, far, error[here])


def _packed(anchors: Sequence[_Anchor]) -> Anchors:
    def column(name: str) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(getattr(anchor, name).copy()) for anchor in anchors)

    videos, numbers, bases = (
        tuple(getattr(anchor, name) for anchor in anchors) for name in ("video", "number", "base")
    )
    return Anchors(videos, numbers, bases, column("frame"), column("there"), column("back"))


def _unpacked(anchors: Anchors) -> list[_Anchor]:
    columns = [[t.cpu().numpy() for t in c] for c in (anchors.frames, anchors.there, anchors.back)]
    rows = zip(anchors.videos, anchors.numbers, anchors.bases, *columns, strict=True)
    return [_Anchor(*row) for row in rows]
