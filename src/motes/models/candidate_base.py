"""Base of models that refine candidates; a subclass defines `refine`.

    candidates of all points in all frames of a window: dense flow in several ways
    features of the frames; patches around the queries
    refine the last frames of the window

See `motes.features.candidates`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.errors import InputError
from motes.features.anchors import Anchors
from motes.features.candidates import (
    HISTORY,
    KINDS,
    WORST_ERROR,
    Candidates,
    FlowWindow,
    SourceTracks,
    compute_flow,
    compute_flow_ahead,
    empty_tracks,
    find_candidates,
    half_frames,
)
from motes.features.correlation import query_patches
from motes.features.encoder import FineEncoder, encode_in_parts
from motes.features.flow_fields import (
    FLOW_CACHE_BYTES,
    SEARCH_BYTES,
    FlowCache,
    frame_hashes,
    grey,
    inside,
)
from motes.features.overlap import frames_first, query_in_window
from motes.models.base import Features, PointModel, Prediction, Schedule, State

STRIDE = 2
"""Pixels per cell of the finest feature map."""

KEPT_FRAMES = 4
"""Number of shared frames, at the beginning of the refined ones, that keep the result of the window
before."""

SCORE_WITHOUT_ERROR = 3.0
"""Initial logit of visibility and confidence of a candidate without error."""


@dataclass(frozen=True)
class CandidateConfig:
    """Candidates, windows and encoder."""

    candidates: tuple[str, ...] = ("flow", "half", "direct")  # some of KINDS
    start: str | None = None  # kind with which refinement starts; None: that of least error
    choosing: bool = True  # False: candidates are only the start of refinement
    frames: int = 16  # refined together
    step: int = 8  # new frames of a window
    side: int = 256  # longer side of the frames that the network reads
    multiple: int = 8  # divides both sides
    encoder_widths: tuple[int, ...] = (24, 32, 48, 64)  # at 1/2, 1/4, 1/8, 1/16 of the frame
    encoder_mixed: int = 64  # channels where these are joined
    channels: int = 48  # of the feature maps
    levels: int = 4  # of strides 2, 4, 8, 16
    radius: int = 2  # patches are 5 x 5
    iterations: int = 3


@dataclass(frozen=True)
class CandidateFeatures(Features):
    """Features of frames, and the grey frames that the flow needs.

    Attributes:
        levels: Unit features of strides 2, 4, 8 and 16, per level ``[B, T, h, w, C]``.
        grey: uint8 ``[B, T, H, W]``.
        halves: The same at half the size.
        hashes: int64 ``[B, T]``, see `frame_hashes`.
    """

    levels: tuple[Tensor, ...]
    grey: Tensor
    halves: Tensor
    hashes: Tensor


@dataclass(frozen=True)
class CandidateState(State):
    """State between windows of S frames.

    Attributes:
        started: bool ``[B, N]``: the frame of the query has been reached.
        support: Features around the query, per level ``[B, N, (2r+1)^2, C]``; 0 before the start.
        xy: ``[B, N, S, 2]``, positions in the last window, in pixels of the input.
        scores: ``[B, N, S, 2]``, logits of visibility and confidence.
        source_xy: Per source ``[B, N, S, M, 2]``, see `motes.features.candidates.SourceTracks`.
        inverse_error: Per source ``[B, N, S, M]``, see there.
        anchors: State of the direct step.
        first: Number of the first frame of the last window.
    """

    started: Tensor
    support: tuple[Tensor, ...]
    xy: Tensor
    scores: Tensor
    source_xy: tuple[Tensor, ...]
    inverse_error: tuple[Tensor, ...]
    anchors: Anchors
    first: int = 0


class Estimate(NamedTuple):
    """Tracks after one iteration of refinement; S frames, K candidates, L levels.

    Attributes:
        xy: ``[B, N, S, 2]``, cells of the finest level.
        scores: ``[B, N, S, 2]``, logits of visibility and confidence.
        choice: Logits ``[B, N, S, 1 + K]``: stay, or take candidate k; None at the start.
        peaks: See `motes.features.correlation.Match`; None at the start.
    """

    xy: Tensor
    scores: Tensor
    choice: Tensor | None = None
    peaks: Tensor | None = None


class CandidateModel(PointModel):
    """Refines candidates, 16 frames at a time; a subclass defines `refine`."""

    features_type = CandidateFeatures
    pixel_bytes = SEARCH_BYTES * 5 // 4  # frames of half the size, too
    cache_bytes = FLOW_CACHE_BYTES
    look_back = HISTORY

    def __init__(self, config: CandidateConfig) -> None:
        super().__init__()
        c = self.config = config
        if c.start not in (None, *KINDS):
            raise InputError(f"start: expected one of {', '.join(KINDS)}, got {c.start!r}")
        self.settings = {"start": c.start} if c.start else {}
        window = HISTORY + c.step
        self.kept = window - c.frames + KEPT_FRAMES  # first frames that keep their result
        self.schedule = Schedule(window, c.step, final=self.kept + c.step)
        self.stride = self.multiple = 2
        self.iterations = c.iterations
        self.encoder = FineEncoder(c.encoder_widths, c.encoder_mixed, c.channels)

    def new_cache(self, limit: int) -> FlowCache:
        """An empty cache of flow fields."""
        return FlowCache(limit)

    def network_size(self, size: Sequence[int]) -> tuple[int, int]:
        """Height and width of the frames that the network reads, for input of this size."""
        c = self.config
        scale = c.side / max(size)
        h, w = (max(1, round(side * scale / c.multiple)) * c.multiple for side in size)
        return h, w

    def encode(self, video: Tensor) -> CandidateFeatures:
        """Unit features, grey frames, those at half their size, and hashes."""
        frames = grey(video)
        levels = self.levels(video, self.network_size(video.shape[-2:]))
        return CandidateFeatures(levels, frames, half_frames(frames), frame_hashes(frames))

    def levels(self, video: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Feature maps of frames that are resized first.

        Args:
            video: ``[B, T, 3, H, W]`` in [0, 1].
            size: Height and width of the frames that the network reads.

        Returns:
            Unit features of strides 2, 4, 8 and 16, ``[B, T, h, w, C]``.
        """

        def encode(frames: Tensor) -> tuple[Tensor, ...]:
            return self.encoder.pyramid(fit_frames(frames, size), self.config.levels)

        return encode_in_parts(encode, video)

    def start(
        self, queries: Tensor, num_frames: int | None = None, schedule: Schedule | None = None
    ) -> CandidateState:
        """The state before the first window: no query has started."""
        c = self.config
        (B, N, _), S = queries.shape, self.schedule.window or 0
        none = self.encoder.out.weight.new_zeros(B, N, (2 * c.radius + 1) ** 2, c.channels)
        zeros = queries.new_zeros(B, N, S, 2)
        started = torch.zeros(B, N, dtype=torch.bool, device=queries.device)
        tracks = empty_tracks(c.candidates, queries, S)
        of_sources = tracks.xy, tracks.inverse_error, tracks.anchors
        return CandidateState(started, (none,) * c.levels, zeros, zeros, *of_sources)

    def advance(
        self,
        state: CandidateState,
        features: CandidateFeatures,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: FlowCache | None = None,
    ) -> tuple[Prediction, CandidateState]:
        """Compute candidates in all frames, refine the last ones; see `PointModel.advance`."""
        frames, T = features.grey, len(features)
        size = (frames.shape[2], frames.shape[3])
        grid = CellGrid(size, self.network_size(size))
        t, here = query_in_window(queries, start, T)
        known, new = state.started, here & ~state.started
        state = self._start_queries(state, features.levels, t, grid.cells(queries[..., 1:]), new)
        passed = start - state.first
        tracks = SourceTracks(state.source_xy, state.inverse_error, state.anchors).after(passed)
        in_pixels, tracks = find_candidates(
            self.config.candidates,
            flow_window(features, start, cache),
            tracks,
            queries,
            state.started,
            new,
        )
        candidates = grid.candidates(in_pixels)
        now = self.initial(candidates, grid.network)
        for span in self._spans(start, T):
            window = tuple(level[:, span] for level in features.levels)
            part, known_now = candidates.frames(span), state.started
            history = self.refine(window, state.support, part, grid.network, known_now, iterations)
            now = _joined(now, history[-1], span)
        xy, scores = grid.pixels(now.xy), now.scores
        xy, scores = self._keep_first_frames(state, passed, known, xy, scores)
        state = replace(
            state,
            xy=xy,
            scores=scores,
            source_xy=tracks.xy,
            inverse_error=tracks.inverse_error,
            anchors=tracks.anchors,
            first=start,
        )
        visibility, confidence = frames_first(scores, T).sigmoid().unbind(-1)
        return Prediction(frames_first(xy, T), visibility, confidence), state

    def prepare(self, features: CandidateFeatures, start: int, cache: FlowCache) -> None:
        """Compute the flow that ends in the new frames of a window; see `PointModel.prepare`."""
        known = (self.schedule.window or 0) - self.schedule.step if start else 0
        compute_flow(self.config.candidates, flow_window(features, start, cache), known)

    def prepare_ahead(
        self, frames: Sequence[CandidateFeatures], new: int, cache: FlowCache
    ) -> None:
        """Begin with the flow that ends in new frames; see `PointModel.prepare_ahead`."""
        features = Features.concat([replace(part, levels=()) for part in frames])
        window = flow_window(features, 0, cache)
        compute_flow_ahead(self.config.candidates, window, window.length - new)

    @abstractmethod
    def refine(
        self,
        levels: Sequence[Tensor],
        support: Sequence[Tensor],
        candidates: Candidates,
        size: tuple[int, int],
        known: Tensor | None = None,
        iterations: int | None = None,
        kinds: Sequence[str] | None = None,
    ) -> list[Estimate]:
        """Refine a window of S frames.

        Args:
            levels: Feature maps ``[B, S, h, w, C]`` of strides 2, 4, 8 and 16.
            support: Per level ``[B, N, (2r+1)^2, C]``, features around the queries.
            candidates: Positions in cells of the finest level, errors in pixels of the frames that
                the network reads.
            size: Height and width of these frames.
            known: bool ``[B, N]``: points whose query has started; None: all.
            iterations: Number of refinements; None: that of the configuration.
            kinds: Kinds of the candidates; None: those of the configuration.

        Returns:
            The estimate after each iteration.
        """

    def initial(
        self, candidates: Candidates, size: tuple[int, int], kinds: Sequence[str] | None = None
    ) -> Estimate:
        """Where refinement starts: `config.start`, or the candidate with the smallest error.

        Args:
            candidates: In cells, errors in pixels.
            size: Height and width of the frames that the network reads.
            kinds: Kinds of the candidates; None: those of the configuration.
        """
        start, kinds = self.config.start, list(kinds or self.config.candidates)
        if start in kinds:
            only = slice(kinds.index(start), kinds.index(start) + 1)
            candidates = Candidates(candidates.xy[..., only, :], candidates.error[..., only])
        return least_error(candidates, size)

    def kind_indices(self, kinds: Sequence[str] | None) -> list[int]:
        """Indices of kinds of candidates in `KINDS`; None: those of the configuration."""
        return [KINDS.index(kind) for kind in kinds or self.config.candidates]

    def _start_queries(
        self,
        state: CandidateState,
        levels: Sequence[Tensor],
        t: Tensor,
        cells: Tensor,
        new: Tensor,
    ) -> CandidateState:
        """Store the features around new queries."""
        around = query_patches(levels, t, cells, self.config.radius)
        pairs = zip(around, state.support, strict=True)
        support = tuple(torch.where(new[..., None, None], a, b) for a, b in pairs)
        return replace(state, started=state.started | new, support=support)

    def _spans(self, start: int, length: int) -> list[slice]:
        """Frames that are refined together: the last S; in the first window also the first S."""
        S = self.config.frames
        last = slice(max(length - S, 0), length)
        return [slice(0, S), last] if start == 0 and length > S else [last]

    def _keep_first_frames(
        self, state: CandidateState, passed: int, known: Tensor, xy: Tensor, scores: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keep the results of the window before in the first frames, for points that it tracked."""
        kept = min(self.kept, state.xy.shape[2] - passed, xy.shape[2])
        old = F.pad(known[:, :, None].expand(-1, -1, kept), (0, xy.shape[2] - kept))[..., None]
        before_xy, before_scores = (
            F.pad(v[:, :, passed : passed + kept], (0, 0, 0, xy.shape[2] - kept))
            for v in (state.xy, state.scores)
        )
        return torch.where(old, before_xy, xy), torch.where(old, before_scores, scores)


def flow_window(features: CandidateFeatures, start: int, cache: FlowCache | None) -> FlowWindow:
    """The frames of a window that starts at frame `start`, and the flow between them."""
    return FlowWindow(features.grey, features.halves, features.hashes, start, cache)


def fit_frames(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring frames ``[n, 3, H, W]`` to a height and width: bilinear, with antialiasing."""
    if frames.shape[-2:] == size:
        return frames
    return F.interpolate(frames, size, mode="bilinear", antialias=True)


@dataclass(frozen=True)
class CellGrid:
    """Pixels of the input, pixels of the frames that the network reads, and cells.

    Attributes:
        size: Height and width of the input.
        network: Height and width of the frames that the network reads.
    """

    size: tuple[int, int]
    network: tuple[int, int]

    def cells(self, xy: Tensor) -> Tensor:
        """Positions ``[..., 2]`` in cells of the finest level, from pixels of the input."""
        return ((xy + 0.5) * self._ratio(xy) - 0.5) / STRIDE

    def pixels(self, cells: Tensor) -> Tensor:
        """The inverse of `cells`."""
        return (cells * STRIDE + 0.5) / self._ratio(cells) - 0.5

    def candidates(self, pixels: Candidates) -> Candidates:
        """Positions in cells, errors in pixels of the frames that the network reads."""
        return Candidates(self.cells(pixels.xy), pixels.error * max(self.network) / max(self.size))

    def _ratio(self, like: Tensor) -> Tensor:
        (H, W), (h, w) = self.size, self.network
        return like.new_tensor([w / W, h / H])


def least_error(candidates: Candidates, size: tuple[int, int]) -> Estimate:
    """The candidate with the smallest error, and scores that follow from its error.

    Args:
        candidates: In cells, errors in pixels; where all are missing, the first is taken.
        size: Height and width of the frames that the network reads.
    """
    error, chosen = candidates.error.clamp(max=WORST_ERROR).min(-1)
    xy = candidates.xy.take_along_dim(chosen[..., None, None], 3)[..., 0, :]
    logit = SCORE_WITHOUT_ERROR - torch.log1p(error**2)
    logit = torch.where(inside(xy * STRIDE, size), logit, -SCORE_WITHOUT_ERROR)
    return Estimate(xy, logit[..., None].expand(-1, -1, -1, 2))


def _joined(before: Estimate, new: Estimate, span: slice) -> Estimate:
    """Replace the frames of a span; in a later span, its first frames keep their result."""
    first = span.start + (KEPT_FRAMES if span.start else 0)
    skipped, rest = first - span.start, slice(first, span.stop)

    def join(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a[:, :, : rest.start], b[:, :, skipped:], a[:, :, rest.stop :]], 2)

    return Estimate(join(before.xy, new.xy), join(before.scores, new.scores))
