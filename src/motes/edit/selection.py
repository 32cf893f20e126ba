"""Functions on tracks: merge the answers of several anchor frames, and choose good points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from motes.errors import InputError
from motes.tracks import Tracks

AGREEMENT = 3.0
"""Distance in pixels up to which two answers are averaged; beyond, the better one counts."""


def merge_anchors(parts: Sequence[Tracks], reach: float = 30.0) -> Tracks:
    """Merge tracks of the same points, each tracked from its own anchor frames.

    A point that is corrected in a second frame has two tracks.  In each frame they are weighted by
    visibility, confidence and nearness of the anchor (the frame of the query); answers that agree
    are averaged, otherwise the one of larger weight counts.

    Args:
        parts: Tracks of the same frames and number of points; row n is the same point in all.
        reach: Frames over which the weight of an anchor falls to 1/e.

    Returns:
        One track for each point, with the ids and queries of the first part.  At an anchor, the
        position is that of the anchor.

    Raises:
        InputError: The parts differ in their frames, points or video, or `reach` is not positive.

    Example:
        >>> from motes.edit import merge_anchors
        >>> session = tracker.session("bike.mp4")
        >>> parts = [session.track([(t, 30 + t, 20)], backward=True) for t in (0, 11)]
        >>> merge_anchors(parts).xy[0, 11].round().tolist()
        [41.0, 20.0]
    """
    if not parts:
        raise InputError("expected at least one Tracks to merge, got none")
    first = parts[0]
    for part in parts:
        same = (part.visible.shape, part.frames, part.size, part.fps)
        if same != (first.visible.shape, first.frames, first.size, first.fps):
            raise InputError(f"expected the same points and frames, got {first!r} and {part!r}")
    if not reach > 0:
        raise InputError(f"reach: expected a positive number of frames, got {reach:g}")
    weights = np.stack([_weight(part, reach) for part in parts])  # [P, N, T]
    best = weights.argmax(0)[None]
    xy = np.stack([part.xy for part in parts]).astype(float)  # [P, N, T, 2]
    chosen = np.take_along_axis(xy, best[..., None], 0)
    agree = np.linalg.norm(xy - chosen, axis=-1) <= AGREEMENT
    at_anchor = weights == np.inf
    share = np.where(at_anchor.any(0), at_anchor, np.where(at_anchor, 0, weights) * agree)
    mean = (share[..., None] * xy).sum(0) / np.maximum(share.sum(0), 1e-12)[..., None]
    return replace(
        first,
        xy=np.where(share.sum(0)[..., None] > 0, mean, chosen[0]),
        visible=np.take_along_axis(np.stack([p.visible for p in parts]), best, 0)[0],
        confidence=np.take_along_axis(np.stack([p.confidence for p in parts]), best, 0)[0],
    )


def _weight(part: Tracks, reach: float) -> np.ndarray:
    """Weights ``[N, T]``; infinite at the anchor."""
    distance = np.abs(np.array(part.frames) - part.queries[:, :1])
    confident = np.where(part.visible, 1.0, 1e-3) * np.maximum(part.confidence, 1e-3)
    return np.where(distance == 0, np.inf, confident * np.exp(-distance / reach))


def choose_points(tracks: Tracks, count: int) -> np.ndarray:
    """Choose good points: visible for long, of high confidence, and spread over the frame.

    The score of a point is its share of visible frames times its mean confidence there.  Points are
    taken one by one; each time the one with the largest product of score and distance to those
    already chosen.

    Args:
        tracks: N points.
        count: How many to choose; all that are ever visible, if there are fewer.

    Returns:
        int64 ``[count]``, indices in the order of choice.

    Raises:
        InputError: `count` is not positive.

    Example:
        >>> from motes.edit import choose_points
        >>> tracks[choose_points(tracks, 4)].num_points
        4
    """
    if count < 1:
        raise InputError(f"count: expected at least 1, got {count}")
    seen = tracks.visible.sum(1)
    confident = np.where(tracks.visible, tracks.confidence, 0).sum(1) / np.maximum(seen, 1)
    score = seen / max(tracks.num_frames, 1) * confident
    where = tracks.visible[..., None]
    middle = np.where(where, tracks.xy, 0).sum(1) / np.maximum(seen, 1)[:, None]
    distance = np.full(tracks.num_points, float(max(tracks.size)))
    chosen: list[int] = []
    left = score > 0
    while len(chosen) < count and left.any():
        best = int(np.where(left, score * distance, -1).argmax())
        chosen.append(best)
        left[best] = False
        distance = np.minimum(distance, np.linalg.norm(middle - middle[best], axis=1) + 1e-3)
    return np.array(chosen, np.int64)
