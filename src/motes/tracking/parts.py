"""Tracks of a session in parts, each as soon as it is computed.

Forward, the result equals ``tracker.track(video, queries, start=t)``, where t is the frame of the
queries: frames before t are not used.  Backward, time is reversed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from motes.errors import InputError
from motes.models.base import Features, Prediction, Schedule
from motes.queries.points import Points, Queries
from motes.queries.select import frame_range
from motes.tracking import windows
from motes.tracking.facts import with_facts
from motes.tracking.results import to_model, to_tracks
from motes.tracking.session import Session
from motes.tracking.support import with_support
from motes.tracks import Tracks

SHORT_LATENCY = 4
"""Latency in frames for models that never refine earlier frames; it changes no result."""


@torch.inference_mode()
def track_in_parts(session: Session, points: Points, *, backward: bool = False) -> Iterator[Tracks]:
    """Track points from their frame to the end of the video, or back to its start.

        for part in track_in_parts(session, [(40, 120.0, 80.5)]):
            show(part)

    Args:
        session: Of a video whose number of frames is known.
        points: Rows ``(t, x, y)``, all of the same frame t; pixels of the video.
        backward: Whether to go towards the start of the video.

    Yields:
        `Tracks` of consecutive frames.  Forward, the first part starts at frame t, and each further
        one follows the part before; backward, the first part ends with frame t, and each further
        one precedes the part before.

    Raises:
        InputError: The queries are of several frames, or outside the image or the video.
    """
    queries = Queries.of(points)
    frame = _common_frame(queries)
    queries.check(session.video.size, frame_range(session.video))
    direction = _Direction(session, queries, frame, backward)
    yield from direction.parts()


class _Direction:
    """One pass, forward or backward, that starts at the frame of the queries."""

    def __init__(self, session: Session, queries: Queries, frame: int, backward: bool) -> None:
        self.session, self.queries = session, queries
        self.frame, self.backward = frame, backward
        self.model = session.engine.model
        self.schedule = session.fitting_schedule(len(queries))

    def parts(self) -> Iterator[Tracks]:
        done = 0
        predictions = self._whole() if self.schedule.window is None else self._in_windows()
        with windows.cancelling(self.session.cache):
            for prediction in predictions:
                count = prediction.xy.shape[1]
                yield self._tracks(prediction, done, count)
                done += count

    def _whole(self) -> Iterator[Prediction]:
        features = Features.concat(list(self._chunks()))
        with self.session.engine.autocast():
            yield self.model.track(features, self._input(), cache=self.session.cache)

    def _in_windows(self) -> Iterator[Prediction]:
        schedule, cache = _with_short_latency(self.schedule), self.session.cache
        state = windows.begin(self.model, self._input(), schedule)
        for features in _split(self._chunks(), 1 if schedule.early else None):
            with self.session.engine.autocast():
                prediction, state = windows.push(self.model, state, features, cache=cache)
            if prediction is not None:
                yield prediction
        with self.session.engine.autocast():
            prediction, _ = windows.close(self.model, state, cache=cache)
        if prediction is not None:
            yield prediction

    def _chunks(self) -> Iterator[Features]:
        first = self.frame - self.session.video.start
        encoded = self.session.encoded
        return encoded.backward(first) if self.backward else encoded.forward_from(first)

    def _input(self) -> Tensor:
        """Queries ``[1, N + support, 3]``, with frames counted from the frame of the queries."""
        session = self.session
        txy = to_model(self.queries, session.resize, self.frame)
        txy = with_support(txy, session.engine.preset.support, session.resize.target)
        return torch.from_numpy(txy)[None].to(session.engine.device)

    def _tracks(self, prediction: Prediction, done: int, count: int) -> Tracks:
        prediction = prediction.points(slice(len(self.queries)))
        start = self.frame + done
        if self.backward:
            prediction, start = prediction.reversed(), self.frame - done - count + 1
        session = self.session
        visible, fps = session.engine.visible(prediction), session.video.fps
        tracks = to_tracks(prediction, visible, self.queries, session.resize, fps, start, True)
        return with_facts(tracks, session.video, self.queries)


def _common_frame(queries: Queries) -> int:
    frames = np.unique(queries.frames)
    if len(frames) != 1:
        raise InputError(f"queries: expected points of one frame, got frames {frames.tolist()}")
    return int(frames[0])


def _with_short_latency(schedule: Schedule) -> Schedule:
    """Shorten the latency if later windows do not refine the predictions of earlier ones."""
    refines = schedule.window is None or schedule.final < schedule.window
    return schedule if refines else schedule.with_latency(min(SHORT_LATENCY, schedule.step))


def _split(chunks: Iterator[Features], size: int | None) -> Iterator[Features]:
    if size is None:
        return chunks
    return chain.from_iterable((c[i : i + size] for i in range(0, len(c), size)) for c in chunks)
