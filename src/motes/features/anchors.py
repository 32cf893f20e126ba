"""The direct step: flow from the frame of a query straight to every other frame.

A search from a distant frame begins at the flow to the frame before, continued by one short step,
so that only the query's frame and the last two fields need to be kept (Neoral, Serych and Matas,
"MFT: Long-Term Tracking of Every Pixel", 2024, take a direct step, too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from motes.features.flow_chain import step_error
from motes.features.flow_fields import FlowFields, sample_fields

MOST_ANCHORS = 4
"""Query frames of a video from which direct steps are taken at a time."""

UNMET = -1
"""Frame number of a query whose frame has not come."""


@dataclass(frozen=True)
class Anchors:
    """Query frames, and the flow between each and the last frame of the window before.

    Attributes:
        videos: Which video of the batch each belongs to.
        numbers: Frame numbers.
        frames: Grey frames, uint8 ``[H, W]``.
        there: Flow from each, float16 ``[h, w, 3]``; see `FlowFields.flow`.
        back: Flow to each.
    """

    videos: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    frames: tuple[Tensor, ...] = ()
    there: tuple[Tensor, ...] = ()
    back: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class _Anchor:
    """One of them, as arrays."""

    video: int
    number: int
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
    most: int = MOST_ANCHORS,
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
        begins = bool(new[b, points].any())
        if begins:
            anchor, walks = _begin(anchor, fields, start)
        else:
            first = int(error[b, points].isfinite().all(0).sum())
            walks = [_walk(anchor, fields, range(first, xy.shape[2]))]
        kept.append(_moved_on(anchor, walks[0]))
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
            kept.append(_Anchor(b, number, frame, *_still(frame)))
    return kept


def _still(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fields from a frame to itself and back."""
    h, w = (-(-side // 2) for side in frame.shape)
    return np.zeros((h, w, 3), np.float16), np.zeros((h, w, 3), np.float16)


@dataclass(frozen=True)
class _Walk:
    """Frames of a window, and the fields from an anchor to each and back."""

    frames: list[int]
    there: list[np.ndarray]
    back: list[np.ndarray]


def _begin(anchor: _Anchor, fields: FlowFields, start: int) -> tuple[_Anchor, list[_Walk]]:
    """Walk from the anchor's own frame to the last of the window, then to its first."""
    at, S = anchor.number - start, fields.num_frames
    anchor = _Anchor(anchor.video, anchor.number, anchor.frame, *_still(anchor.frame))
    later, earlier = range(at + 1, S), range(at - 1, -1, -1)
    return anchor, [_walk(anchor, fields, later), _walk(anchor, fields, earlier)]


def _walk(anchor: _Anchor, fields: FlowFields, frames: range) -> _Walk:
    """From frame to frame; the anchor's fields are those of the frame before the first."""
    there, back = [anchor.there], [anchor.back]
    for t in frames:
        ends = fields.direct(anchor.video, anchor.frame, t, frames.step, there[-1], back[-1])
        there.append(ends[0])
        back.append(ends[1])
    return _Walk(list(frames), there[1:], back[1:])


def _moved_on(anchor: _Anchor, walk: _Walk) -> _Anchor:
    """The anchor with the fields of the last frame of a walk."""
    if not walk.frames:
        return anchor
    return _Anchor(anchor.video, anchor.number, anchor.frame, walk.there[-1], walk.back[-1])


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

    videos, numbers = (tuple(getattr(a, n) for a in anchors) for n in ("video", "number"))
    return Anchors(videos, numbers, column("frame"), column("there"), column("back"))


def _unpacked(anchors: Anchors) -> list[_Anchor]:
    columns = [[t.cpu().numpy() for t in c] for c in (anchors.frames, anchors.there, anchors.back)]
    rows = zip(anchors.videos, anchors.numbers, *columns, strict=True)
    return [_Anchor(*row) for row in rows]
