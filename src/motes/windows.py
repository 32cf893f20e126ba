"""Frames in, tracks of the frames that have become final out; all state in one value.

`push` and `close` are pure: they take a `StreamState` and return the next one, so that one model
serves any number of videos at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from motes.models.base import Features, PointModel, Prediction, concat_predictions


@dataclass(frozen=True)
class StreamState:
    """Everything a stream remembers.

    Attributes:
        queries: ``[B, N, 3]`` (t, x, y) in pixels of the model; frames count from 0.
        memory: What the model hands from window to window (`PointModel.start`).
        features: Of the frames from `first` on that a later window may need.
        first: Number of the first frame in `features`.
        done: Start of the last window that was processed; None before the first.
        pending: Predictions of the frames from `emitted` on that are not final yet.
        emitted: How many frames are final.
    """

    queries: Tensor
    memory: Any
    features: Features | None = None
    first: int = 0
    done: int | None = None
    pending: Prediction | None = None
    emitted: int = 0

    @property
    def seen(self) -> int:
        """How many frames have come in."""
        return self.first + (len(self.features) if self.features else 0)


def begin(model: PointModel, queries: Tensor) -> StreamState:
    """The state before the first frame."""
    return StreamState(queries, model.start(queries))


def push(
    model: PointModel, state: StreamState, features: Features, iterations: int | None = None
) -> tuple[Prediction | None, StreamState]:
    """Take in the features of the next frames.

    Args:
        model: The model.
        state: So far.
        features: ``[B, n, ...]`` of the next n frames.
        iterations: See `PointModel.advance`.

    Returns:
        The prediction of the frames that have become final (None: none yet), and the new state.
    """
    known = features if state.features is None else Features.concat([state.features, features])
    state = replace(state, features=known)
    while (start := _next_window(model, state)) is not None:
        state = _process(model, state, start, iterations)
    if state.done is None:
        return None, state
    return _emit(model, state, state.done + model.final)


def close(
    model: PointModel, state: StreamState, iterations: int | None = None
) -> tuple[Prediction | None, StreamState]:
    """Process what is left at the end of the video; every frame becomes final."""
    if not state.seen:
        return None, state
    done = -1 if state.done is None else state.done
    for start in model.windows(state.seen):
        if start > done:
            state = _process(model, state, start, iterations)
    return _emit(model, state, state.seen)


def _next_window(model: PointModel, state: StreamState) -> int | None:
    """Start of the next window, if all its frames are there."""
    if model.window is None:
        return None
    start = 0 if state.done is None else state.done + model.step
    return start if start + model.window <= state.seen else None


def _process(
    model: PointModel, state: StreamState, start: int, iterations: int | None
) -> StreamState:
    if state.features is None:
        raise ValueError("a window needs frames")
    at = start - state.first
    window = state.features[at : at + (model.window or state.seen)]
    new, memory = model.advance(state.memory, window, state.queries, start, iterations)
    pending = _overwrite(state.pending, new, start - state.emitted)
    return replace(state, memory=memory, pending=pending, done=start)


def _overwrite(old: Prediction | None, new: Prediction, at: int) -> Prediction:
    """Predictions from frame `at` on are replaced; a negative `at` is final already."""
    if old is None or at <= 0:
        return new[max(-at, 0) :]
    return concat_predictions([old[:at], new])


def _emit(model: PointModel, state: StreamState, end: int) -> tuple[Prediction | None, StreamState]:
    """Hand out the frames before `end`, and forget the features that no window needs again."""
    count = end - state.emitted
    if state.pending is None or state.features is None or count <= 0:
        return None, state
    keep = max((state.done or 0) + model.final, state.first)
    return state.pending[:count], replace(
        state,
        pending=state.pending[count:],
        emitted=end,
        features=state.features[keep - state.first :],
        first=keep,
    )
