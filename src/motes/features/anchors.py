"""The direct step: flow from the frame of a query straight to every other frame.

A search between distant frames starts from the flow that a chain of the longest steps predicts.
Of this chain only the flow to its last frame, the base, is kept for the next frames.  MFT takes a
direct step, too (Neoral, Serych and Matas, "MFT: Long-Term Tracking of Every Pixel", 2024).
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
"""Largest number of query frames of a video from which direct steps are taken."""

NOT_STARTED = -1
"""Frame number of a query whose frame has not been reached."""


@dataclass(frozen=True)
class Anchors:
    """Query frames, and the predicted flow between each and its base.

    Attributes:
        videos: Index of the video in the batch.
        numbers: Frame numbers.
        bases: Frame numbers of the bases: the query frame plus a multiple of the longest step.
        frames: Grey query frames, uint8 ``[H, W]``.
        forward: Flow from the query frame to its base, float32 ``[h, w, 2]``.
        backward: Flow from the base to the query frame.
    """

    videos: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    bases: tuple[int, ...] = ()
    frames: tuple[Tensor, ...] = ()
    forward: tuple[Tensor, ...] = ()
    backward: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class _Anchor:
    """A single query frame of `Anchors`, as arrays."""

    video: int
    number: int
    base: int
    frame: np.ndarray
    forward: np.ndarray
    backward: np.ndarray


def follow_anchors(
    anchors: Anchors,
    numbers: Tensor,
    new: Tensor,
    fields: FlowFields,
    xy: Tensor,
    error: Tensor,
    start: int,
    max_anchors: int = MAX_ANCHORS,
) -> tuple[Tensor, Tensor, Anchors]:
    """Take direct steps to all frames in which positions are unknown.

    Args:
        anchors: From the window before.
        numbers: int64 ``[B, N]``, the frame of each query, or `NOT_STARTED`.
        new: bool ``[B, N]``: the frame of the query is in this window for the first time.
        fields: The flow between the S frames of the window.
        xy: float32 ``[B, N, S, 2]``, pixels; the position of the query where none is known.
        error: float32 ``[B, N, S]``, pixels; infinite where a position is unknown.
        start: Number of the first frame.
        max_anchors: Largest number of query frames from which steps are taken.

    Returns:
        Positions and errors of the same shapes, and the anchors for the next window.  Errors stay
        infinite for points whose query frame is not among the first `max_anchors` in use.
    """
    xy, error, kept = xy.clone(), error.clone(), []
    for anchor in _in_use(anchors, numbers, new, fields, start, max_anchors):
        b, points = anchor.video, (numbers[anchor.video] == anchor.number).nonzero()[:, 0]
        if bool(new[b, points].any()):
            anchor = _at_query(anchor)
            advanced, later = _walk(
                anchor, fields, start, range(anchor.number - start + 1, xy.shape[2])
            )
            _, earlier = _walk(anchor, fields, start, range(anchor.number - start - 1, -1, -1))
            walks = [later, earlier]
        else:
            first = int(error[b, points].isfinite().all(0).sum())
            advanced, later = _walk(anchor, fields, start, range(first, xy.shape[2]))
            walks = [later]
        kept.append(advanced)
        for walk in walks:
            if walk.frames:
                _fill(xy[b], error[b], points, walk, fields.size_hw)
    return xy, error, _packed(kept)


def _in_use(
    anchors: Anchors,
    numbers: Tensor,
    new: Tensor,
    fields: FlowFields,
    start: int,
    max_anchors: int,
) -> list[_Anchor]:
    """The anchors that queries use: the existing ones, then new ones up to `max_anchors`."""
    used = [set(row.tolist()) for row in numbers]
    kept = [anchor for anchor in _unpacked(anchors) if anchor.number in used[anchor.video]]
    for b, (row, is_new) in enumerate(zip(numbers, new, strict=True)):
        existing = {anchor.number for anchor in kept if anchor.video == b}
        missing = sorted(set(row[is_new].tolist()) - existing)
        for number in missing[: max_anchors - len(existing)]:
            frame = fields.frame(b, number - start)
            kept.append(_at_query(_Anchor(b, number, number, frame, frame, frame)))
    return kept


def _at_query(anchor: _Anchor) -> _Anchor:
    """The same anchor with its query frame as the base."""
    h, w = (-(-side // 2) for side in anchor.frame.shape)
    zero = np.zeros((h, w, 2), np.float32)
    return replace(anchor, base=anchor.number, forward=zero, backward=zero)


@dataclass(frozen=True)
class _Walk:
    """Frames of a window, and the flow fields from an anchor to each of them and back."""

    frames: list[int]
    forward: list[np.ndarray]
    backward: list[np.ndarray]


def _walk(anchor: _Anchor, fields: FlowFields, start: int, frames: range) -> tuple[_Anchor, _Walk]:
    """Direct steps to `frames`; also the anchor with its new base."""
    walk = _Walk([], [], [])
    for t in frames:
        base = anchor.base - start
        if not 0 <= base < fields.num_frames:
            raise ValueError(f"expected a window that holds frame {anchor.base}, from {start} on")
        predicted = (
            composed(anchor.forward, fields.chained(anchor.video, base, t)),
            composed(fields.chained(anchor.video, t, base), anchor.backward),
        )
        forward, backward = fields.direct(anchor.video, anchor.frame, t, predicted)
        walk.frames.append(t)
        walk.forward.append(forward)
        walk.backward.append(backward)
        if abs(t - base) == max(fields.deltas):
            anchor = replace(anchor, base=start + t, forward=predicted[0], backward=predicted[1])
    return anchor, walk


def _fill(xy: Tensor, error: Tensor, points: Tensor, walk: _Walk, size: tuple[int, int]) -> None:
    """Write the results of a walk to `xy` ``[N, S, 2]`` and `error`, where they are unknown."""
    frames = torch.tensor(walk.frames, device=xy.device)
    index = torch.arange(len(frames), device=xy.device).expand(len(points), -1)
    here = points[:, None], frames
    displacement, cost = sample_fields(walk.forward, index, xy[here], size)
    end = xy[here] + displacement
    back, _ = sample_fields(walk.backward, index, end, size)
    unknown = error[here].isinf()
    of_step = step_error(end, displacement + back, cost, size)
    xy[here] = torch.where(unknown[..., None], end, xy[here])
    error[here] = torch.where(unknown, of_step, error[here])


def _packed(anchors: Sequence[_Anchor]) -> Anchors:
    def column(name: str) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(getattr(anchor, name).copy()) for anchor in anchors)

    videos, numbers, bases = (
        tuple(getattr(anchor, name) for anchor in anchors) for name in ("video", "number", "base")
    )
    return Anchors(videos, numbers, bases, column("frame"), column("forward"), column("backward"))


def _unpacked(anchors: Anchors) -> list[_Anchor]:
    tensors = anchors.frames, anchors.forward, anchors.backward
    columns = [[t.cpu().numpy() for t in column] for column in tensors]
    rows = zip(anchors.videos, anchors.numbers, anchors.bases, *columns, strict=True)
    return [_Anchor(*row) for row in rows]
