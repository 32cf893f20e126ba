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
    """Result of one model on one clip.

    Attributes:
        model: Its label.
        clip: Name of the clip.
        queries: Number of queries.
        frames: Number of frames.
        seconds: Time from frames in memory to tracks, including all work that the protocol needs,
            such as support points for every query.
        metrics: See `tapvid_metrics`.

    Example:
        >>> from motes.eval.benchmark import Score
        >>> Score("lk", "bike", queries=4, frames=12, seconds=0.5, metrics={}).clip
        'bike'
    """

    model: str
    clip: str
    queries: int
    frames: int
    seconds: float
    metrics: dict[str, float]


OnTracks = Callable[[Task, str, Tracks], None]


def evaluate(
    collection: Collection,
    trackers: Mapping[str, Tracker],
    protocol: Protocol,
    mode: Mode,
    *,
    max_queries: int | None = None,
    on_tracks: OnTracks | None = None,
) -> Iterator[list[Score]]:
    """Measure trackers, clip by clip.

    A clip that cannot be read, or that one of the trackers cannot track, is left out for all of
    them, so that their means are comparable; `collection.skipped` gives the reason.

    Args:
        collection: The clips.
        trackers: By label.
        protocol: How the trackers are run.
        mode: Frames of the queries, and frames that are scored.
        max_queries: Largest number of queries per clip.
        on_tracks: Called with all predicted tracks, in pixels of the original video.

    Yields:
        For each clip the scores of all trackers, in their order.

    Raises:
        FileError: No clip could be used.

    Example:
        >>> from motes.data import load
        >>> from motes.eval.benchmark import evaluate
        >>> from motes.eval.protocols import find_protocol
        >>> clips = load("clips", "clips")
        >>> for scores in evaluate(clips, {"lk": tracker}, find_protocol("native"), "first"):
        ...     print(scores[0].clip, scores[0].queries, scores[0].metrics["average_jaccard"] > 0.5)
        bike 9 True
    """

    def measure(clip: Clip) -> list[Score]:
        task = Task.of(clip, protocol, mode, max_queries)
        return [_measure(task, label, tracker, on_tracks) for label, tracker in trackers.items()]

    yield from collection.each(measure)


def _measure(task: Task, label: str, tracker: Tracker, on_tracks: OnTracks | None) -> Score:
    start = time.perf_counter()
    tracks = task.track(tracker)
    seconds = time.perf_counter() - start
    if on_tracks is not None:
        on_tracks(task, label, task.on_video(tracks))
    shape = len(task.queries), len(task.frames)
    return Score(label, task.name, *shape, seconds, task.score(tracks))


@dataclass(frozen=True)
class Summary:
    """Result of one model on all clips: means over clips, as in TAP-Vid.

    Attributes:
        model: Its label.
        clips: Number of clips.
        frames_per_second: Number of all frames divided by the time of all clips.
        metrics: See `tapvid_metrics`.

    Example:
        >>> from motes.eval.benchmark import Score, summarise
        >>> metrics = {"average_jaccard": 0.7}
        >>> scores = [Score("lk", clip, 4, 12, 0.5, metrics) for clip in ("a", "b")]
        >>> summarise(scores)[0].frames_per_second
        24.0
    """

    model: str
    clips: int
    frames_per_second: float
    metrics: dict[str, float]


def summarise(scores: list[Score]) -> list[Summary]:
    """One summary per model, in the order of their first score.

    Example:
        >>> from motes.data import load
        >>> from motes.eval.benchmark import evaluate, summarise
        >>> from motes.eval.protocols import find_protocol
        >>> clips = load("clips", "clips")
        >>> runs = evaluate(clips, {"lk": tracker}, find_protocol("native"), "first")
        >>> [summary] = summarise([score for scores in runs for score in scores])
        >>> summary.model, summary.clips
        ('lk', 1)
    """
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
    """The mean of the values that are not NaN; NaN if there are none."""
    numbers = [v for v in values if not np.isnan(v)]
    return float(np.mean(numbers)) if numbers else float("nan")
