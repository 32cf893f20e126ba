"""Windows over the frames of a video, one after the other; all state in one value.

`push` and `close` are pure: they take a `WindowState` and return the next one, so that one model
serves any number of videos at once.

By default a frame is final once no later window can change it.  With a latency of L frames
(`Schedule.with_latency`) the prediction of a frame comes after at most L - 1 further frames: the
last full window is refined again whenever L new frames have come, and its prediction of these
frames is final at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from motes.models.base import Features, PointModel, Prediction, Schedule, concat_predictions


@dataclass(frozen=True)
class WindowState:
    """Everything that is remembered between frames.

    Attributes:
        queries: ``[B, N, 3]`` (t, x, y) in pixels of the model; frames count from 0.
        schedule: How windows follow each other.
        memory: State that the model hands from window to window (`PointModel.start`).
        features: Of the frames from `first` on that a later window may need, in the stretches in
            which they came in.
        first: Number of the first frame in `features`.
        seen: Number of frames that have come in.
        done: Start of the last window that was processed; None before the first.
        pending: Predictions of the frames from `emitted` on that are not final yet.
        emitted: Number of frames that are final.

    Example:
        >>> import torch
        >>> from motes.tracking import windows
        >>> state = windows.begin(tracker.model, torch.tensor([[[0.0, 30, 20]]]))
        >>> state.window, state.seen
        (2, 0)
    """

    queries: Tensor
    schedule: Schedule
    memory: Any
    features: tuple[Features, ...] = ()
    first: int = 0
    seen: int = 0
    done: int | None = None
    pending: Prediction | None = None
    emitted: int = 0

    @property
    def window(self) -> int:
        """Frames per window."""
        if self.schedule.window is None:
            raise ValueError("expected a schedule with windows; see PointModel.windowed")
        return self.schedule.window


def begin(
    model: PointModel,
    queries: Tensor,
    schedule: Schedule | None = None,
    num_frames: int | None = None,
) -> WindowState:
    """The state before the first frame of a video, whose length may be known.

    Args:
        model: A model with windows.
        queries: ``[B, N, 3]`` (t, x, y) in pixels of the model.
        schedule: How windows follow each other; None: as the model's own `schedule`.
        num_frames: Length of the video; None: not known.

    Example:
        >>> import torch
        >>> from motes.tracking import windows
        >>> frames = torch.from_numpy(motes.open_video("bike.mp4")[:])
        >>> video = frames.permute(0, 3, 1, 2)[None] / 255
        >>> model, queries = tracker.model, torch.tensor([[[0.0, 30, 20]]])
        >>> state = windows.begin(model, queries)
        >>> state.queries.shape
        torch.Size([1, 1, 3])
    """
    schedule = schedule or model.schedule
    return WindowState(queries, schedule, model.start(queries, num_frames, schedule))


def push(
    model: PointModel,
    state: WindowState,
    features: Features,
    iterations: int | None = None,
    cache: Any = None,
    ahead: bool = True,
) -> tuple[Prediction | None, WindowState]:
    """Take in the features of the next frames.

    Args:
        model: A model with windows.
        state: So far.
        features: ``[B or 1, n, ...]`` of the next n frames; one at a time, if there is a latency.
        iterations: See `PointModel.advance`.
        cache: See `PointModel.advance`.
        ahead: Whether the model may begin with what later windows need, in the background.

    Returns:
        The prediction of the frames that have become final (None: none yet), and the new state.

    Example:
        >>> import torch
        >>> from motes.tracking import windows
        >>> frames = torch.from_numpy(motes.open_video("bike.mp4")[:])
        >>> video = frames.permute(0, 3, 1, 2)[None] / 255
        >>> model, queries = tracker.model, torch.tensor([[[0.0, 30, 20]]])
        >>> state = windows.begin(model, queries)
        >>> prediction, state = windows.push(model, state, model.encode(video))
        >>> prediction.xy.shape
        torch.Size([1, 11, 1, 2])
    """
    known = (*state.features, features)
    state = replace(state, features=known, seen=state.seen + len(features))
    if ahead:
        _prepare_ahead(model, state, len(features), cache)
    if state.schedule.early and state.seen < state.window:
        return _early(model, state, iterations, cache)
    while (start := _next_window(state)) is not None:
        state = _process(model, state, start, iterations, cache)
    if state.done is None:
        return None, state
    return _emit(state, state.done + state.schedule.final)


def close(
    model: PointModel, state: WindowState, iterations: int | None = None, cache: Any = None
) -> tuple[Prediction | None, WindowState]:
    """Process the remaining frames at the end of the video; every frame becomes final.

    Example:
        >>> import torch
        >>> from motes.tracking import windows
        >>> frames = torch.from_numpy(motes.open_video("bike.mp4")[:])
        >>> video = frames.permute(0, 3, 1, 2)[None] / 255
        >>> model, queries = tracker.model, torch.tensor([[[0.0, 30, 20]]])
        >>> state = windows.begin(model, queries)
        >>> prediction, state = windows.push(model, state, model.encode(video))
        >>> rest, state = windows.close(model, state)
        >>> state.emitted
        12
    """
    if not state.seen:
        return None, state
    done = -1 if state.done is None else state.done
    for start in state.schedule.starts(state.seen):
        if start > done:
            state = _process(model, state, start, iterations, cache)
    return _emit(state, state.seen)


def select(state: WindowState, points: Tensor) -> WindowState:
    """Keep only these points (indices or mask).

    Example:
        >>> import torch
        >>> from motes.tracking import windows
        >>> queries = torch.tensor([[[0.0, 30, 20], [0, 50, 40]]])
        >>> state = windows.begin(tracker.model, queries)
        >>> windows.select(state, torch.tensor([1])).queries.tolist()
        [[[0.0, 50.0, 40.0]]]
    """
    pending = state.pending and state.pending.points(points)
    memory = state.memory.select(points)
    return replace(state, queries=state.queries[:, points], memory=memory, pending=pending)


def grow(state: WindowState, queries: Tensor) -> WindowState:
    """Add points ``[B, n, 3]`` whose query frames are held or still to come.

    Example:
        >>> import torch
        >>> from motes.tracking import windows
        >>> state = windows.begin(tracker.model, torch.tensor([[[0.0, 30, 20]]]))
        >>> windows.grow(state, torch.tensor([[[2.0, 50, 40]]])).queries.shape
        torch.Size([1, 2, 3])
    """
    n = queries.shape[1]
    pending = state.pending and state.pending.grown(n)
    joined = torch.cat([state.queries, queries], 1)
    return replace(state, queries=joined, memory=state.memory.grow(n), pending=pending)


def cut(parts: Sequence[Features], start: int, stop: int) -> tuple[Features, ...]:
    """Frames ``start .. stop - 1`` of consecutive stretches, counted from 0; nothing is copied."""
    found, first = [], 0
    for part in parts:
        inside = slice(max(start - first, 0), max(stop - first, 0))
        if len(part[inside]):
            found.append(part[inside])
        first += len(part)
    return tuple(found)


def _prepare_ahead(model: PointModel, state: WindowState, new: int, cache: Any) -> None:
    """Begin with what the next windows need of new frames, if a point is tracked through them.

    Where memory is so short that the cache is small, the results might not stay in it until then.
    """
    if not model.cache_bytes or cache is None or cache.limit < model.cache_bytes:
        return
    if bool((state.queries[..., 0] < state.seen).any()):
        start = max(state.seen - new - model.look_back, state.first)
        parts = cut(state.features, start - state.first, state.seen - state.first)
        model.prepare_ahead(parts, new, cache)


@contextmanager
def cancelling(cache: Any) -> Iterator[None]:
    """Cancel what runs ahead for a cache if tracking ends early: an error, Ctrl-C, `close`."""
    try:
        yield
    except BaseException:
        if cache is not None:
            cache.cancel_ahead()
        raise


def _next_window(state: WindowState) -> int | None:
    """Start of the next window, if all its frames are there."""
    start = 0 if state.done is None else state.done + state.schedule.step
    return start if start + state.window <= state.seen else None


def _early(
    model: PointModel, state: WindowState, iterations: int | None, cache: Any
) -> tuple[Prediction | None, WindowState]:
    """Predict from a window that is not full yet; the model's new state is discarded."""
    if state.seen - state.emitted < state.schedule.step:
        return None, state
    frames = _frames(state, 0, state.seen)
    prediction, _ = model.advance(state.memory, frames, state.queries, 0, iterations, cache)
    return prediction[state.emitted :], replace(state, emitted=state.seen)


def _process(
    model: PointModel, state: WindowState, start: int, iterations: int | None, cache: Any
) -> WindowState:
    window = _frames(state, start, start + state.window)
    new, memory = model.advance(state.memory, window, state.queries, start, iterations, cache)
    merge = _merge_by_confidence if state.schedule.by_confidence else _overwrite
    pending = merge(state.pending, new, start - state.emitted)
    return replace(state, memory=memory, pending=pending, done=start)


def _frames(state: WindowState, start: int, stop: int) -> Features:
    """Features of frames ``start .. stop - 1``, as far as they are there, for each of B videos."""
    parts = cut(state.features, start - state.first, stop - state.first)
    return Features.concat(parts).expanded(len(state.queries))


def _overwrite(old: Prediction | None, new: Prediction, at: int) -> Prediction:
    """Replace predictions from frame `at` on; frames before 0 are final already."""
    if old is None or at <= 0:
        return new[max(-at, 0) :]
    return concat_predictions([old[:at], new])


def _merge_by_confidence(old: Prediction | None, new: Prediction, at: int) -> Prediction:
    """As `_overwrite`, but in the overlap each point keeps the prediction of the higher score."""
    new, at = new[max(-at, 0) :], max(at, 0)  # frames before 0 are final already
    if old is None:
        return new
    shared = old.xy.shape[1] - at
    before, after = old[at:], new[:shared]
    overlap = after.where(after.score >= before.score, before)
    return concat_predictions([old[:at], overlap, new[shared:]])


def _emit(state: WindowState, end: int) -> tuple[Prediction | None, WindowState]:
    """Hand out the frames before `end`, and drop the features that no later window needs."""
    end = min(end, state.seen)
    count = end - state.emitted
    if state.pending is None or count <= 0:
        return None, state
    keep = max((state.done or 0) + state.schedule.released, state.first)
    return state.pending[:count], replace(
        state,
        pending=state.pending[count:],
        emitted=end,
        features=cut(state.features, keep - state.first, state.seen - state.first),
        first=keep,
    )
