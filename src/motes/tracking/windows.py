"""Windows over the frames of a video, one after the other; all state in one value.

`push` and `close` are pure: they take a `WindowState` and return the next one, so that one model
serves any number of videos at once.

By default a frame is final once no later window can change it.  With a `latency` of L frames the
answer for a frame comes after at most L - 1 further frames: the last full window is refined again
whenever L new frames are there, and what it says of them is final at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from motes.errors import InputError
from motes.models.base import Features, PointModel, Prediction, concat_predictions


@dataclass(frozen=True)
class WindowState:
    """Everything that is remembered between frames.

    Attributes:
        queries: ``[B, N, 3]`` (t, x, y) in pixels of the model; frames count from 0.
        memory: What the model hands from window to window (`PointModel.start`).
        features: Of the frames from `first` on that a later window may need, in the stretches in
            which they came in.
        first: Number of the first frame in `features`.
        seen: How many frames have come in.
        done: Start of the last window that was processed; None before the first.
        pending: Predictions of the frames from `emitted` on that are not final yet.
        emitted: How many frames are final.
    """

    queries: Tensor
    memory: Any
    features: tuple[Features, ...] = ()
    first: int = 0
    seen: int = 0
    done: int | None = None
    pending: Prediction | None = None
    emitted: int = 0


def begin(model: PointModel, queries: Tensor, num_frames: int | None = None) -> WindowState:
    """The state before the first frame of a video, whose length may be known."""
    return WindowState(queries, model.begin(queries, num_frames))


def with_latency(model: PointModel, latency: int | None) -> PointModel:
    """The same model with windows that advance by `latency` frames; it shares the weights.

    Raises:
        InputError: `latency` is not between 1 and the step of the model; windows that are further
            apart overlap less than the model was made for, or not at all.
    """
    if latency is None:
        return model
    if not 1 <= latency <= model.step:
        raise InputError(f"latency: expected 1 to {model.step} frames, got {latency}")
    hasty = copy(model)
    hasty.step = latency
    return hasty


def push(
    model: PointModel,
    state: WindowState,
    features: Features,
    iterations: int | None = None,
    latency: int | None = None,
) -> tuple[Prediction | None, WindowState]:
    """Take in the features of the next frames.

    Args:
        model: A model with windows; from `with_latency`, if there is a latency.
        state: So far.
        features: ``[B or 1, n, ...]`` of the next n frames; one at a time, if there is a latency.
        iterations: See `PointModel.advance`.
        latency: See the head of this module.

    Returns:
        The prediction of the frames that have become final (None: none yet), and the new state.
    """
    known = (*state.features, features)
    state = replace(state, features=known, seen=state.seen + len(features))
    if latency is not None and state.seen < _length(model):
        return _warm_up(model, state, latency, iterations)
    while (start := _next_window(model, state)) is not None:
        state = _process(model, state, start, iterations)
    if state.done is None:
        return None, state
    final = state.done + (model.final if latency is None else _length(model))
    return _emit(model, state, final)


def close(
    model: PointModel, state: WindowState, iterations: int | None = None
) -> tuple[Prediction | None, WindowState]:
    """Process what is left at the end of the video; every frame becomes final."""
    if not state.seen:
        return None, state
    done = -1 if state.done is None else state.done
    for start in model.windows(state.seen):
        if start > done:
            state = _process(model, state, start, iterations)
    return _emit(model, state, state.seen)


def select(state: WindowState, points: Tensor) -> WindowState:
    """Keep only these points (indices or mask)."""
    pending = state.pending and state.pending.points(points)
    memory = state.memory.select(points)
    return replace(state, queries=state.queries[:, points], memory=memory, pending=pending)


def grow(state: WindowState, queries: Tensor) -> WindowState:
    """Add points ``[B, n, 3]`` whose query frames are held or still to come."""
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


def _next_window(model: PointModel, state: WindowState) -> int | None:
    """Start of the next window, if all its frames are there."""
    start = 0 if state.done is None else state.done + model.step
    return start if start + _length(model) <= state.seen else None


def _warm_up(
    model: PointModel, state: WindowState, latency: int, iterations: int | None
) -> tuple[Prediction | None, WindowState]:
    """Answer from a window that is not full yet; what it remembers is thrown away."""
    if state.seen - state.emitted < latency:
        return None, state
    frames = _frames(state, 0, state.seen)
    found, _ = model.advance(state.memory, frames, state.queries, 0, iterations)
    return found[state.emitted :], replace(state, emitted=state.seen)


def _process(
    model: PointModel, state: WindowState, start: int, iterations: int | None
) -> WindowState:
    window = _frames(state, start, start + _length(model))
    new, memory = model.advance(state.memory, window, state.queries, start, iterations)
    merge = _surer if model.stitched else _overwrite
    pending = merge(state.pending, new, start - state.emitted)
    return replace(state, memory=memory, pending=pending, done=start)


def _frames(state: WindowState, start: int, stop: int) -> Features:
    """Features of frames ``start .. stop - 1``, as far as they are there, for each of B videos."""
    parts = cut(state.features, start - state.first, stop - state.first)
    return Features.concat(parts).expanded(len(state.queries))


def _length(model: PointModel) -> int:
    if model.window is None:
        raise ValueError("expected a model with windows; see PointModel.windowed")
    return model.window


def _overwrite(old: Prediction | None, new: Prediction, at: int) -> Prediction:
    """Predictions from frame `at` on are replaced; a negative `at` is final already."""
    if old is None or at <= 0:
        return new[max(-at, 0) :]
    return concat_predictions([old[:at], new])


def _surer(old: Prediction | None, new: Prediction, at: int) -> Prediction:
    """As `_overwrite`, but where both say something, each point takes the surer answer."""
    new, at = new[max(-at, 0) :], max(at, 0)  # what is final already stays
    if old is None:
        return new
    shared = old.xy.shape[1] - at
    before, after = old[at:], new[:shared]
    overlap = after.where(after.score >= before.score, before)
    return concat_predictions([old[:at], overlap, new[shared:]])


def _emit(model: PointModel, state: WindowState, end: int) -> tuple[Prediction | None, WindowState]:
    """Hand out the frames before `end`, and forget the features that no window needs again."""
    end = min(end, state.seen)
    count = end - state.emitted
    if state.pending is None or count <= 0:
        return None, state
    keep = max((state.done or 0) + min(model.final, model.step), state.first)
    return state.pending[:count], replace(
        state,
        pending=state.pending[count:],
        emitted=end,
        features=cut(state.features, keep - state.first, state.seen - state.first),
        first=keep,
    )
