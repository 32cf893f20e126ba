"""Candidate positions of points: what several classical trackers say, window by window.

Each follows a point from its query, with dense flow at the full or at half the size of the frames:
chains of steps (`motes.features.flow_chain`), direct steps (`motes.features.anchors`), or chains of
the points around it (`motes.features.rings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.features.anchors import MAX_ANCHORS, UNMET, Anchors, follow_anchors
from motes.features.flow_chain import follow
from motes.features.flow_fields import MIN_SIDE, FlowCache, FlowFields
from motes.features.rings import RING_POINTS, centre_of_rings, ring

KINDS = ("flow", "half", "half_sparse", "direct", "ring_12", "ring_24")
"""All kinds of candidates, in the order that trained weights know."""

LONGEST = 16
"""Frames that the longest step of a chain spans."""

DELTAS, SPARSE_DELTAS = (1, 2, 6, LONGEST), (1, 3, 9)
"""Lengths of the steps of the chains, in frames."""

RING_RADII = {"ring_12": 12.0, "ring_24": 24.0}
"""Radii in pixels of frames of 256 on the long side."""

HISTORY = LONGEST + 1
"""Frames before a new one that must be there to find it: the flow of a step begins at that of the
frame before."""

WORST_ERROR = 1e4
"""Larger errors count as this, in pixels."""


@dataclass(frozen=True)
class Candidates:
    """K positions for each point and frame.

    Attributes:
        xy: float32 ``[B, N, S, K, 2]``, pixels.
        error: float32 ``[B, N, S, K]``, how far off each may be, in pixels; infinite where a
            candidate is missing.
    """

    xy: Tensor
    error: Tensor

    def frames(self, span: slice) -> Candidates:
        """Those of some frames."""
        return Candidates(self.xy[:, :, span], self.error[:, :, span])


@dataclass(frozen=True)
class _Source:
    """What is followed for one candidate, or for both rings."""

    kinds: tuple[str, ...]
    half: bool = True
    deltas: tuple[int, ...] = DELTAS

    @property
    def rings(self) -> bool:
        """Whether rings are followed, not the points."""
        return self.kinds[0] in RING_RADII

    @property
    def tracks(self) -> int:
        """Tracks M per point."""
        return len(self.kinds) * RING_POINTS if self.rings else 1


def sources(kinds: Sequence[str]) -> tuple[_Source, ...]:
    """What must be followed to give these kinds of candidates."""
    rings = tuple(kind for kind in kinds if kind in RING_RADII)
    found = {
        "flow": _Source(("flow",), half=False),
        "half": _Source(("half",)),
        "half_sparse": _Source(("half_sparse",), deltas=SPARSE_DELTAS),
        "direct": _Source(("direct",)),
    }
    plain = tuple(source for kind, source in found.items() if kind in kinds)
    return (*plain, _Source(rings)) if rings else plain


@dataclass(frozen=True)
class Followed:
    """Tracks of each source in the S frames of a window.

    Attributes:
        xy: Per source ``[B, N, S, M, 2]``, pixels of the frames that it uses.
        inverse_error: Per source ``[B, N, S, M]``, 1 / (1 + error in pixels); 0 where unknown.
        anchors: For the direct step.
    """

    xy: tuple[Tensor, ...]
    inverse_error: tuple[Tensor, ...]
    anchors: Anchors = field(default_factory=Anchors)

    def after(self, passed: int) -> Followed:
        """Without the first `passed` frames."""
        xy, inverse_error = (
            tuple(v[:, :, passed:] for v in values) for values in (self.xy, self.inverse_error)
        )
        return Followed(xy, inverse_error, self.anchors)


def nothing_followed(kinds: Sequence[str], queries: Tensor, frames: int) -> Followed:
    """Before the first window, of so many frames or more."""
    B, N = queries.shape[:2]
    xy = tuple(queries.new_zeros(B, N, frames, s.tracks, 2) for s in sources(kinds))
    return Followed(xy, tuple(v[..., 0] for v in xy))


class FlowWindow:
    """Grey frames of a window, and the flow between them; sources of the same steps share it.

    Attributes:
        size: Height and width of the frames.
        start: Number of the first frame.
        length: Number S of frames.
    """

    def __init__(
        self,
        frames: Tensor,
        halves: Tensor,
        hashes: Tensor,
        start: int,
        cache: FlowCache | None = None,
    ) -> None:
        """Take in frames.

        Args:
            frames: uint8 ``[B, S, H, W]``.
            halves: The same at half the size.
            hashes: int64 ``[B, S]``, their `frame_hashes`.
            start: Number of the first frame.
            cache: Fields that are known already; None: none.
        """
        self.size = (frames.shape[2], frames.shape[3])
        self.start, self.length = start, frames.shape[1]
        self._frames, self._hashes, self._cache = (frames, halves), hashes, cache
        self._fields: dict[_Source, FlowFields] = {}

    def has(self, source: _Source) -> bool:
        """Whether the frames are large enough for a source."""
        return not source.half or min(self._frames[1].shape[2:4]) >= MIN_SIDE

    def fields(self, source: _Source) -> FlowFields:
        """The flow that a source needs."""
        key = replace(source, kinds=())
        if key not in self._fields:
            frames = self._frames[1 if source.half else 0]
            self._fields[key] = FlowFields(frames, self._hashes, source.deltas, self._cache)
        return self._fields[key]


@torch.no_grad()
def find_candidates(
    kinds: Sequence[str],
    window: FlowWindow,
    followed: Followed,
    queries: Tensor,
    met: Tensor,
    new: Tensor,
    max_anchors: int = MAX_ANCHORS,
) -> tuple[Candidates, Followed]:
    """Follow points through a window of S frames.

    Args:
        kinds: Of the candidates, out of `KINDS`.
        window: The frames.
        followed: In the first frames of this window, from the window before.
        queries: ``[B, N, 3]`` (t, x, y), pixels.
        met: bool ``[B, N]``: the frame of the query has come, in this window at the latest.
        new: bool ``[B, N]``: it has come in this window.
        max_anchors: Query frames from which direct steps are taken.

    Returns:
        Candidates in pixels, and tracks of this window for the next one.
    """
    numbers = torch.where(met, queries[..., 0].long(), UNMET)
    xy, inverse_error, anchors = [], [], followed.anchors
    answers: dict[str, tuple[Tensor, Tensor]] = {}
    rows = zip(sources(kinds), followed.xy, followed.inverse_error, strict=True)
    for source, known_xy, known in rows:
        at = _starting_points(source, queries[..., 1:], window.size)
        places, error = _known(at, known_xy, known, numbers - window.start, window.length)
        if window.has(source) and source.kinds == ("direct",):
            places, error, anchors = _direct(
                window, source, anchors, numbers, new, places, error, max_anchors
            )
        elif window.has(source):
            places, error = _chain(window.fields(source), places, error)
        xy.append(places)
        inverse_error.append(1 / (1 + error))
        answers |= _answers(source, queries[..., 1:], places, error, window.size)
    given = [answers[kind] for kind in kinds]
    found = Candidates(torch.stack([g[0] for g in given], 3), torch.stack([g[1] for g in given], 3))
    return found, Followed(tuple(xy), tuple(inverse_error), anchors)


def _starting_points(source: _Source, xy: Tensor, size: tuple[int, int]) -> Tensor:
    """What is followed for queries ``[B, N, 2]``: ``[B, N, M, 2]``, pixels of the source."""
    points = xy[:, :, None]
    if source.rings:
        points = torch.cat([ring(xy, _radius(kind, size), size) for kind in source.kinds], 2)
    return halve(points) if source.half else points


def _radius(kind: str, size: tuple[int, int]) -> float:
    """Of a ring, in pixels of frames of this height and width."""
    return RING_RADII[kind] * max(size) / 256


def half_frames(frames: Tensor) -> Tensor:
    """Grey frames uint8 ``[B, T, H, W]`` at half the size; an odd last row or column is dropped."""
    return F.avg_pool2d(frames.float(), 2).add(0.5).floor().byte()


def halve(xy: Tensor) -> Tensor:
    """From pixels to those of frames of half the size."""
    return (xy + 0.5) / 2 - 0.5


def double(xy: Tensor) -> Tensor:
    """The inverse of `halve`."""
    return (xy + 0.5) * 2 - 0.5


def _known(
    at: Tensor, xy: Tensor, inverse_error: Tensor, here: Tensor, length: int
) -> tuple[Tensor, Tensor]:
    """What is known of a window: from the one before ``[B, N, K, M]``, and from the queries."""
    missing = length - xy.shape[2]
    inverse_error = F.pad(inverse_error, (0, 0, 0, missing))[:, :, :length]
    rest = at[:, :, None].expand(-1, -1, length, -1, -1)
    before = torch.cat([xy, rest[:, :, : max(missing, 0)]], 2)[:, :, :length]
    frame = torch.arange(length, device=at.device)
    query = (here[..., None] == frame)[..., None].expand_as(inverse_error)  # [B, N, S, M]
    places = torch.where((query | (inverse_error == 0))[..., None], rest, before)
    return places, torch.where(query, 0.0, 1 / inverse_error - 1)


def _direct(
    window: FlowWindow,
    source: _Source,
    anchors: Anchors,
    numbers: Tensor,
    new: Tensor,
    xy: Tensor,
    error: Tensor,
    most: int,
) -> tuple[Tensor, Tensor, Anchors]:
    """`follow_anchors`, for the one track of each point, ``[B, N, S, 1, 2]``."""
    one = xy[..., 0, :], error[..., 0]
    fields = window.fields(source)
    xy, error, anchors = follow_anchors(anchors, numbers, new, fields, *one, window.start, most)
    return xy[..., None, :], error[..., None], anchors


def _chain(fields: FlowFields, xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """`follow`, for M tracks of each point, ``[B, N, S, M, 2]``."""
    N, M = xy.shape[1], xy.shape[3]
    places, error = follow(
        fields, xy.transpose(2, 3).flatten(1, 2), error.transpose(2, 3).flatten(1, 2)
    )
    places, error = (v.unflatten(1, (N, M)).transpose(2, 3) for v in (places, error))
    return places, error


def _answers(
    source: _Source, centre: Tensor, xy: Tensor, error: Tensor, size: tuple[int, int]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Candidates by kind: positions ``[B, N, S, 2]`` and errors ``[B, N, S]``, full pixels."""
    if source.half:
        xy, error = double(xy), error * 2
    if not source.rings:
        return {source.kinds[0]: (xy[..., 0, :], error[..., 0])}
    answers = {}
    parts = zip(xy.split(RING_POINTS, 3), error.split(RING_POINTS, 3), strict=True)
    for kind, (ring_xy, ring_error) in zip(source.kinds, parts, strict=True):
        radius = _radius(kind, size)
        known, far = ring_error.isfinite().all(-1), ring_error.clamp(max=WORST_ERROR)
        start = ring(centre, radius, size)
        position, found = centre_of_rings(centre, start, ring_xy, far, radius)
        answers[kind] = position, found.where(known, torch.inf)
    return answers
