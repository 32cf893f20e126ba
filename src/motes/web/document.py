"""A video with its points: commands change it, jobs fill it, pages watch it.

Everything here runs in the thread of the server; only `follow` runs in that of the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from motes.errors import InputError
from motes.queries import Queries
from motes.rendering.colors import by_point
from motes.tracking.session import Session
from motes.tracks import Tracks
from motes.web.events import Channel, stretch_message
from motes.web.footage import Footage
from motes.web.points import (
    DIRECTIONS,
    Key,
    Point,
    Span,
    Track,
    follow,
    spans_around,
    spans_of,
    together,
)
from motes.web.settings import Limits
from motes.web.worker import Job, Worker

Points = dict[int, Point]

NAME_LENGTH = 60


@dataclass
class Task:
    """A span that is being tracked."""

    number: int
    span: Span
    ids: set[int]
    total: int
    job: Job = field(init=False)
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def summary(self) -> dict[str, Any]:
        """What the page shows: frames done, frames in all, seconds left (None: unknown)."""
        spent = time.monotonic() - self.started
        left = spent / self.done * (self.total - self.done) if self.done else None
        total, points = self.total, len(self.ids)
        return {
            "id": self.number,
            "points": points,
            "done": min(self.done, total),
            "total": total,
            "left": left,
        }


class Document:
    """One open video.

    Attributes:
        id: In the addresses of the page.
        footage: Its frames.
        source: Where it came from: ``{"path": ...}``, ``{"demo": True}`` or ``{"upload": name}``.
        points: By id, in the order of the list.
        channel: The pages that show it.
        saved_as: Project file, relative to the folder that is served; None: not saved yet.
    """

    def __init__(
        self,
        id: str,
        footage: Footage,
        source: dict[str, Any],
        worker: Worker,
        session: Callable[[Footage], Session],
        limits: Limits,
    ) -> None:
        """Show a video without points.

        Args:
            id: Unguessable.
            footage: Its frames.
            source: See above.
            worker: Tracks.
            session: Opens the session of a video; called in the worker, once.
            limits: Bounds of points and history.
        """
        self.id, self.footage, self.source = id, footage, source
        self.points: Points = {}
        self.channel = Channel(limits.waiting_bytes)
        self.saved_as: str | None = None
        self.changed = False
        self._worker, self._limits = worker, limits
        self._open_session = session
        self._session: Session | None = None
        self._past: list[Points] = []
        self._future: list[Points] = []
        self._tasks: dict[int, Task] = {}
        self._next_id, self._next_task = 1, 1

    # Commands

    def add(self, xy: Sequence[Sequence[float]], at: int, direction: str) -> list[int]:
        """Track points that are at these positions in frame `at`.

        Returns:
            Their ids.

        Raises:
            InputError: A position, the frame or the direction does not fit, or they are too many.
        """
        queries = Queries.of(xy, at)
        if not len(queries):
            raise InputError("points: expected at least one, got none")
        self._check(queries)
        _check_direction(direction)
        if len(self.points) + len(queries) > self._limits.points:
            raise InputError(f"points: expected at most {self._limits.points} in all")
        new = [self._new_point(Key(at, *row), direction) for row in queries.xy.tolist()]
        self._commit(self.points | {p.id: p for p in new})
        self._track(span for p in new for span in spans_of(p))
        return [p.id for p in new]

    def correct(self, id: int, t: int, x: float, y: float) -> None:
        """Say where a point is in frame t; it is tracked again up to its neighbouring keys."""
        point = self._point(id)
        self._check(Queries.of([(x, y)], t))
        self._retrack(point, point.with_key(Key(t, x, y)), t)

    def remove_key(self, id: int, t: int) -> None:
        """Take back what was said about frame t."""
        point = self._point(id)
        self._retrack(point, point.without_key(t), t)

    def edit(self, ids: Iterable[int], **changes: Any) -> None:
        """Change name or visibility of points; undefined (None) values stay."""
        given = {k: v for k, v in changes.items() if v is not None}
        if "name" in given:
            given["name"] = clean_name(given["name"])
        self._commit(self.points | {i: replace(self._point(i), **given) for i in ids})

    def delete(self, ids: Iterable[int]) -> None:
        """Remove points."""
        gone = {self._point(i).id for i in ids}
        self._drop(gone)
        self._commit({i: p for i, p in self.points.items() if i not in gone})

    def track(self, ids: Iterable[int], direction: str) -> None:
        """Track points anew, such as in another direction or after a cancelled job."""
        _check_direction(direction)
        again = {i: self._point(i).tracked(direction) for i in ids}
        self._drop(set(again))
        self._commit(self.points | again)
        self._send_tracks(again)
        self._track(span for p in again.values() for span in spans_of(p))

    def undo(self) -> None:
        """Take back the last command."""
        self._step(self._past, self._future, "undo")

    def redo(self) -> None:
        """Repeat the command that was taken back last."""
        self._step(self._future, self._past, "redo")

    def cancel(self) -> None:
        """Stop all jobs; what was found stays."""
        for task in list(self._tasks.values()):
            self._end(task, None)

    def restore(self, points: Sequence[Point]) -> None:
        """Take over the points of a project; those that were not tracked to the end go on.

        Raises:
            InputError: They are too many.
        """
        if len(points) > self._limits.points:
            raise InputError(f"points: expected at most {self._limits.points}, got {len(points)}")
        self.points = {p.id: p for p in points}
        self._next_id = max(self.points, default=0) + 1
        self._track(span for p in points if not p.track.complete for span in spans_of(p))

    def warm(self, frames: int) -> None:
        """Prepare the first frames in the background, so that the first point is fast."""
        W, H = self.footage.info.size
        span = Span((), first=np.array([[0, (W - 1) / 2, (H - 1) / 2]]))
        steps = self._steps(span, frames)
        self._worker.submit(Job(steps, lambda _: None, lambda _: None, background=True))

    # What others see

    def state(self) -> dict[str, Any]:
        """Everything but the tracks, for a page that opens the document."""
        info = self.footage.info
        return {
            "id": self.id,
            "name": info.name,
            "size": info.size,
            "fps": float(info.fps),
            "frames": info.num_frames,
            "savedAs": self.saved_as,
            **self._points_state(),
            "jobs": [t.summary() for t in self._tasks.values()],
        }

    def all_tracks(self) -> bytes | None:
        """The tracks of all points as one message; None without points."""
        return self._tracks_message(self.points.values()) if self.points else None

    def tracks(self, ids: Iterable[int] | None = None) -> Tracks:
        """The tracks as they are now.

        Args:
            ids: Of some points; None: of all that are not hidden.

        Raises:
            InputError: An id is unknown, or there are no points.
        """
        shown = [p.id for p in self.points.values() if not p.hidden]
        chosen = [self._point(i) for i in (shown if ids is None else ids)]
        if not chosen:
            raise InputError("export: expected at least one point, got none")
        first = [min(p.keys, key=lambda k: k.t) for p in chosen]
        info = self.footage.info
        return Tracks(
            np.stack([p.track.xy for p in chosen]),
            np.stack([p.track.visible for p in chosen]),
            np.stack([p.track.confidence for p in chosen]),
            np.array([(k.t, k.x, k.y) for k in first]),
            np.array([p.id for p in chosen]),
            info.size,
            info.fps,
        )

    def close(self) -> None:
        """Stop all work for good."""
        self.cancel()
        self.channel.send("closed")

    # Changes

    def _new_point(self, key: Key, direction: str) -> Point:
        id, self._next_id = self._next_id, self._next_id + 1
        track = Track.empty(key, self.footage.info.num_frames)
        return Point(id, str(id), (key,), direction, track)

    def _point(self, id: int) -> Point:
        if id not in self.points:
            raise InputError(f"point: expected the id of a point, got {id}")
        return self.points[id]

    def _check(self, queries: Queries) -> None:
        queries.check(self.footage.info.size, range(self.footage.info.num_frames))

    def _commit(self, points: Points) -> None:
        """Make a state the present one; the one before can be returned to."""
        self._past = [*self._past, self.points][-self._limits.history :]
        self._future = []
        self._show(points)

    def _show(self, points: Points) -> None:
        self.points, self.changed = points, True
        self.channel.send("points", **self._points_state())

    def _points_state(self) -> dict[str, Any]:
        return {
            "points": [_summary(p) for p in self.points.values()],
            "undo": bool(self._past),
            "redo": bool(self._future),
        }

    def _step(self, source: list[Points], target: list[Points], what: str) -> None:
        if not source:
            raise InputError(f"{what}: expected an earlier command, found none")
        target.append(self.points)
        before, after = self.points, source.pop()
        changed = {i: p for i, p in after.items() if before.get(i) is not p}
        moved = {i for i, p in changed.items() if i not in before or before[i].track is not p.track}
        self._drop(moved | (before.keys() - after.keys()))
        unfinished = [i for i in moved if not after[i].track.complete]
        self._show(after)
        self._send_tracks({i: after[i] for i in moved})
        self._track(span for i in unfinished for span in spans_of(after[i]))

    def _retrack(self, before: Point, after: Point, t: int) -> None:
        """Replace a point whose key in frame t has changed, and track what follows from it."""
        spans = spans_around(after, t) if before.track.complete else spans_of(after)
        self._drop({after.id})
        _hide_unreached(after)
        self._commit(self.points | {after.id: after})
        self._send_tracks({after.id: after})
        self._track(spans)

    # Jobs

    def _track(self, spans: Iterable[Span]) -> None:
        spans = together(spans)
        frames = self.footage.info.num_frames
        for span in spans:
            task = Task(self._next_task, span, set(span.ids), span.frames(frames))
            self._next_task += 1
            task.job = self._job(task)
            self._tasks[task.number] = task
            self._worker.submit(task.job)
        self._send_jobs()

    def _job(self, task: Task) -> Job:
        def result(part: Tracks) -> None:
            if not task.job.cancelled:
                self._receive(task, part)

        def end(problem: str | None) -> None:
            if not task.job.cancelled:
                self._end(task, problem, complete=problem is None)

        return Job(self._steps(task.span), result, end)

    def _steps(self, span: Span, frames: int | None = None) -> Iterator[Tracks]:
        """Runs in the worker: the parts of a span, or only its first frames."""
        if self._session is None:
            self._session = self._open_session(self.footage)
        done = 0
        for part in follow(self._session, span):
            yield part
            done += part.num_frames
            if frames is not None and done >= frames:
                return

    def _receive(self, task: Task, part: Tracks) -> None:
        task.done += part.num_frames
        rows = [(row, i) for row, i in enumerate(part.ids.tolist()) if i in task.ids]
        for row, i in rows:
            self.points[i].track.write(part, row)
        if rows:
            chosen = [row for row, _ in rows]
            message = stretch_message(
                [i for _, i in rows],
                part.start,
                part.xy[chosen],
                part.visible[chosen],
                part.confidence[chosen],
            )
            self.channel.send_raw(message)
        self._send_jobs()

    def _end(self, task: Task, problem: str | None, complete: bool = False) -> None:
        task.job.cancelled = True
        self._tasks.pop(task.number, None)
        if complete:
            self._complete(task.ids)
        if problem:
            self.channel.send("problem", message=problem)
        self._send_jobs()

    def _complete(self, ids: set[int]) -> None:
        busy = {i for task in self._tasks.values() for i in task.ids}
        done = [self.points[i] for i in ids - busy if i in self.points]
        for point in done:
            point.track.finish()
        if done:
            self.channel.send("points", **self._points_state())

    def _drop(self, ids: set[int]) -> None:
        """Results of running jobs for these points are not wanted any more."""
        for task in list(self._tasks.values()):
            task.ids -= ids
            if not task.ids:
                self._end(task, None)

    def _send_jobs(self) -> None:
        self.channel.send("jobs", jobs=[t.summary() for t in self._tasks.values()])

    def _send_tracks(self, points: Points) -> None:
        if points:
            self.channel.send_raw(self._tracks_message(points.values()))

    def _tracks_message(self, points: Iterable[Point]) -> bytes:
        points = list(points)
        return stretch_message(
            [p.id for p in points],
            0,
            np.stack([p.track.xy for p in points]),
            np.stack([p.track.visible for p in points]),
            np.stack([p.track.confidence for p in points]),
        )


def _summary(point: Point) -> dict[str, Any]:
    return {
        "id": point.id,
        "name": point.name,
        "color": color_of(point.id),
        "hidden": point.hidden,
        "direction": point.direction,
        "keys": [[k.t, k.x, k.y] for k in point.keys],
        "complete": point.track.complete,
        "doubts": point.track.doubts,
    }


@lru_cache(maxsize=10_000)
def color_of(id: int) -> str:
    """The colour that `motes.render` gives a point with ``color="point"``, as ``#rrggbb``."""
    one = Tracks(np.zeros((1, 1, 2)), np.ones((1, 1), bool), ids=np.array([id]), size=(1, 1))
    return "#" + bytes(by_point(one)[0, 0].tolist()).hex()


def _hide_unreached(point: Point) -> None:
    """Frames beyond the outermost keys are known only in the direction of the point."""
    first, last = point.keys[0], point.keys[-1]
    if point.direction == "forward":
        point.track.hide(slice(0, first.t), first)
    if point.direction == "backward":
        point.track.hide(slice(last.t + 1, None), last)


def _check_direction(direction: str) -> None:
    if direction not in DIRECTIONS:
        raise InputError(f"direction: expected {', '.join(DIRECTIONS)}, got {direction!r}")


def clean_name(name: str) -> str:
    """A name without control characters, of bounded length.

    Raises:
        InputError: Nothing is left of it.
    """
    name = "".join(c for c in name if c.isprintable()).strip()[:NAME_LENGTH]
    if not name:
        raise InputError("name: expected at least one character, got none")
    return name
