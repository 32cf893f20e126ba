"""Candidate positions of points, from several classical trackers, window by window.

Each tracks a point from its query, with dense flow at the full or at half the size of the frames:
chains of steps (`motes.features.flow_chain`), direct steps (`motes.features.anchors`), or chains
for a ring of points around it (`motes.features.rings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.features.anchors import MAX_ANCHORS, NOT_STARTED, Anchors, follow_anchors
from motes.features.flow_chain import compute_steps, compute_steps_ahead, follow
from motes.features.flow_fields import MIN_SIDE, FlowCache, FlowFields
from motes.features.rings import RING_POINTS, centre_of_rings, ring

KINDS = ("flow", "half", "half_sparse", "direct", "ring_12", "ring_24")
"""All kinds of candidates.  Trained weights depend on this order."""

LONGEST = 16
"""Length of the longest step of a chain, in frames."""

DELTAS, SPARSE_DELTAS = (1, 2, 6, LONGEST), (1, 3, 9)
"""Lengths of the steps of the chains, in frames."""

RING_RADII = {"ring_12": 12.0, "ring_24": 24.0}
"""Radii of the rings, in pixels of frames whose long side is 256."""

HISTORY = LONGEST + 1
"""Number of earlier frames that a new frame needs: the longest step, and one frame more, because
the flow of a step starts from the flow of the frame before."""

WORST_ERROR = 1e4
"""Upper bound of errors, in pixels."""


@dataclass(frozen=True)
class Candidates:
    """K positions for each point and frame.

    Attributes:
        xy: float32 ``[B, N, S, K, 2]``, pixels.
        error: float32 ``[B, N, S, K]``, estimated error in pixels; infinite where a candidate is
            missing.
    """

    xy: Tensor
    error: Tensor

    def frames(self, span: slice) -> Candidates:
        """The candidates of some frames."""
        return Candidates(self.xy[:, :, span], self.error[:, :, span])


@dataclass(frozen=True)
class _Source:
    """How one candidate, or both rings, are computed."""

    kinds: tuple[str, ...]
    half: bool = True
    deltas: tuple[int, ...] = DELTAS

    @property
    def rings(self) -> bool:
        """Whether points on rings are tracked instead of the points themselves."""
        return self.kinds[0] in RING_RADII

    @property
    def tracks(self) -> int:
        """Tracks M per point."""
        return len(self.kinds) * RING_POINTS if self.rings else 1


def sources(kinds: Sequence[str]) -> tuple[_Source, ...]:
    """The sources that give these kinds of candidates."""
    rings = tuple(kind for kind in kinds if kind in RING_RADII)
    single = {
        "flow": _Source(("flow",), half=False),
        "half": _Source(("half",)),
        "half_sparse": _Source(("half_sparse",), deltas=SPARSE_DELTAS),
        "direct": _Source(("direct",)),
    }
    chosen = tuple(source for kind, source in single.items() if kind in kinds)
    return (*chosen, _Source(rings)) if rings else chosen


@dataclass(frozen=True)
class SourceTracks:
    """Tracks of each source in the S frames of a window.

    Attributes:
        xy: Per source ``[B, N, S, M, 2]``, pixels of the frames that it uses.
        inverse_error: Per source ``[B, N, S, M]``, 1 / (1 + error in pixels); 0 where unknown.
        anchors: State of the direct step.
    """

    xy: tuple[Tensor, ...]
    inverse_error: tuple[Tensor, ...]
    anchors: Anchors = field(default_factory=Anchors)

    def after(self, passed: int) -> SourceTracks:
        """The tracks without the first `passed` frames."""
        xy, inverse_error = (
            tuple(v[:, :, passed:] for v in values) for values in (self.xy, self.inverse_error)
        )
        return SourceTracks(xy, inverse_error, self.anchors)


def empty_tracks(kinds: Sequence[str], queries: Tensor, frames: int) -> SourceTracks:
    """The state before the first window, of `frames` frames or more."""
    B, N = queries.shape[:2]
    xy = tuple(queries.new_zeros(B, N, frames, s.tracks, 2) for s in sources(kinds))
    return SourceTracks(xy, tuple(v[..., 0] for v in xy))


class FlowWindow:
    """Grey frames of a window, and the flow between them; sources with equal steps share it.

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
            cache: Cache of flow fields; None: an empty one.
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


def compute_flow(kinds: Sequence[str], window: FlowWindow, first: int) -> None:
    """Compute the flow of a window that `find_candidates` will need, as far as no point matters.

    Args:
        kinds: Of the candidates, out of `KINDS`.
        window: The frames; the flow goes to the cache of this window.
        first: Number, within the window, of the first frame to which steps go.
    """
    for source in sources(kinds):
        if window.has(source):
            compute_steps(window.fields(source), first)


def compute_flow_ahead(kinds: Sequence[str], window: FlowWindow, first: int) -> None:
    """Begin with what `compute_flow` computes, in the background, frame by frame.

    Direct steps take few of these steps; where no chain does, they are left to `find_candidates`.
    """
    chains = [source for source in sources(kinds) if source.kinds != ("direct",)]
    for b in range(first, window.length):
        for source in chains:
            if window.has(source):
                compute_steps_ahead(window.fields(source), b)


@torch.no_grad()
def find_candidates(
    kinds: Sequence[str],
    window: FlowWindow,
    tracks: SourceTracks,
    queries: Tensor,
    started: Tensor,
    new: Tensor,
    max_anchors: int = MAX_ANCHORS,
) -> tuple[Candidates, SourceTracks]:
    """Track points through a window of S frames.

    Args:
        kinds: Kinds of candidates, out of `KINDS`.
        window: The frames.
        tracks: Tracks of the first frames of this window, from the window before.
        queries: ``[B, N, 3]`` (t, x, y), pixels.
        started: bool ``[B, N]``: the frame of the query is in this window or in an earlier one.
        new: bool ``[B, N]``: it is in this window, for the first time.
        max_anchors: Largest number of query frames from which direct steps are taken.

    Returns:
        Candidates in pixels, and tracks of this window for the next one.
    """
    numbers = torch.where(started, queries[..., 0].long(), NOT_STARTED)
    xy, inverse_error, anchors = [], [], tracks.anchors
    by_kind: dict[str, tuple[Tensor, Tensor]] = {}
    rows = zip(sources(kinds), tracks.xy, tracks.inverse_error, strict=True)
    for source, known_xy, known in rows:
        begin = _starting_points(source, queries[..., 1:], window.size)
        position, error = _known(begin, known_xy, known, numbers - window.start, window.length)
        if window.has(source) and source.kinds == ("direct",):
            position, error, anchors = _direct(
                window, source, anchors, numbers, new, position, error, max_anchors
            )
        elif window.has(source):
            position, error = _chain(window.fields(source), position, error)
        xy.append(position)
        inverse_error.append(1 / (1 + error))
        by_kind |= _candidates(source, queries[..., 1:], position, error, window.size)
    positions, errors = zip(*(by_kind[kind] for kind in kinds), strict=True)
    candidates = Candidates(torch.stack(positions, 3), torch.stack(errors, 3))
    return candidates, SourceTracks(tuple(xy), tuple(inverse_error), anchors)


def _starting_points(source: _Source, xy: Tensor, size: tuple[int, int]) -> Tensor:
    """Points to track for each query ``[B, N, 2]``: ``[B, N, M, 2]``, pixels of the source."""
    points = xy[:, :, None]
    if source.rings:
        points = torch.cat([ring(xy, _radius(kind, size), size) for kind in source.kinds], 2)
    return halve(points) if source.half else points


def _radius(kind: str, size: tuple[int, int]) -> float:
    """Radius of a ring, in pixels of frames of this height and width."""
    return RING_RADII[kind] * max(size) / 256


def half_frames(frames: Tensor) -> Tensor:
    """Grey frames uint8 ``[B, T, H, W]`` at half the size; an odd last row or column is dropped."""
    return F.avg_pool2d(frames.float(), 2).add(0.5).floor().byte()


def halve(xy: Tensor) -> Tensor:
    """From pixels to pixels of frames of half the size."""
    return (xy + 0.5) / 2 - 0.5


def double(xy: Tensor) -> Tensor:
    """The inverse of `halve`."""
    return (xy + 0.5) * 2 - 0.5


def _known(
    begin: Tensor, xy: Tensor, inverse_error: Tensor, query_frame: Tensor, length: int
) -> tuple[Tensor, Tensor]:
    """Positions and errors of a window, from the window before ``[B, N, K, M]`` and the queries."""
    missing = length - xy.shape[2]
    inverse_error = F.pad(inverse_error, (0, 0, 0, missing))[:, :, :length]
    rest = begin[:, :, None].expand(-1, -1, length, -1, -1)
    before = torch.cat([xy, rest[:, :, : max(missing, 0)]], 2)[:, :, :length]
    frame = torch.arange(length, device=begin.device)
    query = (query_frame[..., None] == frame)[..., None].expand_as(inverse_error)  # [B, N, S, M]
    position = torch.where((query | (inverse_error == 0))[..., None], rest, before)
    return position, torch.where(query, 0.0, 1 / inverse_error - 1)


def _direct(
    window: FlowWindow,
    source: _Source,
    anchors: Anchors,
    numbers: Tensor,
    new: Tensor,
    xy: Tensor,
    error: Tensor,
    max_anchors: int,
) -> tuple[Tensor, Tensor, Anchors]:
    """`follow_anchors`, for the single track of each point, ``[B, N, S, 1, 2]``."""
    fields = window.fields(source)
    xy, error, anchors = follow_anchors(
        anchors, numbers, new, fields, xy[..., 0, :], error[..., 0], window.start, max_anchors
    )
    return xy[..., None, :], error[..., None], anchors


def _chain(fields: FlowFields, xy: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """`follow`, for M tracks of each point, ``[B, N, S, M, 2]``."""
    N, M = xy.shape[1], xy.shape[3]
    xy, error = follow(
        fields, xy.transpose(2, 3).flatten(1, 2), error.transpose(2, 3).flatten(1, 2)
    )
    xy, error = (v.unflatten(1, (N, M)).transpose(2, 3) for v in (xy, error))
    return xy, error


def _candidates(
    source: _Source, centre: Tensor, xy: Tensor, error: Tensor, size: tuple[int, int]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Candidates by kind: positions ``[B, N, S, 2]`` and errors ``[B, N, S]``, full pixels."""
    if source.half:
        xy, error = double(xy), error * 2
    if not source.rings:
        return {source.kinds[0]: (xy[..., 0, :], error[..., 0])}
    candidates = {}
    parts = zip(xy.split(RING_POINTS, 3), error.split(RING_POINTS, 3), strict=True)
    for kind, (ring_xy, ring_error) in zip(source.kinds, parts, strict=True):
        radius = _radius(kind, size)
        known, bounded = ring_error.isfinite().all(-1), ring_error.clamp(max=WORST_ERROR)
        start = ring(centre, radius, size)
        position, centre_error = centre_of_rings(centre, start, ring_xy, bounded, radius)
        candidates[kind] = position, centre_error.where(known, torch.inf)
    return candidates
