"""Measure models side by side on the clips of a data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from motes.data.dataset import Clip, Collection
from motes.eval.metrics import Mode
from motes.eval.protocols import Protocol
from motes.eval.task import Task
from motes.tracks import Tracks

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker


@dataclass(frozen=True)
class Score:
    """What one model reached on one clip.

    Attributes:
        model: Its label.
        clip: Name of the clip.
        queries: Number of queries.
        frames: Number of frames.
        seconds: Time to answer, from frames in memory to tracks; includes all that the protocol
            demands, such as support points for every query.
        metrics: See `tapvid_metrics`.
    """

    model: str
    clip: str
    queries: int
    frames: int
    seconds: float
    metrics: dict[str, float]


Answered = Callable[[Task, str, Tracks], None]


def evaluate(
    collection: Collection,
    trackers: Mapping[str, Tracker],
    protocol: Protocol,
    mode: Mode,
    *,
    at_most: int | None = None,
    answered: Answered | None = None,
) -> Iterator[list[Score]]:
    """Measure trackers, clip by clip.

    A clip that cannot be read, or that one of them cannot track, is left out for all of them, so
    that their means are comparable; `collection.skipped` says why.

    Args:
        collection: The clips.
        trackers: By label.
        protocol: How to ask.
        mode: Where to ask, and what to score.
        at_most: Ask for no more points a clip than this.
        answered: Called with every answer, in pixels of the original video.

    Yields:
        For each clip the scores of all trackers, in their order.

    Raises:
        FileError: Not a single clip could be used.
    """

    def measure(clip: Clip) -> list[Score]:
        task = Task.of(clip, protocol, mode, at_most)
        return [_measure(task, label, tracker, answered) for label, tracker in trackers.items()]

    yield from collection.each(measure)


def _measure(task: Task, label: str, tracker: Tracker, answered: Answered | None) -> Score:
    begin = time.perf_counter()
    answer = task.answer(tracker)
    seconds = time.perf_counter() - begin
    if answered is not None:
        answered(task, label, task.on_video(answer))
    shape = len(task.queries), len(task.frames)
    return Score(label, task.name, *shape, seconds, task.score(answer))


@dataclass(frozen=True)
class Summary:
    """What one model reached on all clips: means over clips, as TAP-Vid reports them.

    Attributes:
        model: Its label.
        clips: Number of clips.
        frames_per_second: All frames by all the time.
        metrics: See `tapvid_metrics`.
    """

    model: str
    clips: int
    frames_per_second: float
    metrics: dict[str, float]


def summarise(scores: list[Score]) -> list[Summary]:
    """One summary a model, in the order of their first score."""
    models = dict.fromkeys(score.model for score in scores)
    return [_summary(model, [s for s in scores if s.model == model]) for model in models]


def _summary(model: str, scores: list[Score]) -> Summary:
    speed = sum(s.frames for s in scores) / sum(s.seconds for s in scores)
    return Summary(
        model,
        len(scores),
        speed,
        {name: _mean([s.metrics[name] for s in scores]) for name in scores[0].metrics},
    )


def _mean(values: list[float]) -> float:
    """The mean of the numbers among them; NaN if there are none."""
    numbers = [v for v in values if not np.isnan(v)]
    return float(np.mean(numbers)) if numbers else float("nan")
