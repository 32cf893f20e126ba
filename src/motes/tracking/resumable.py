"""`ResumableTracker`: a tracker that keeps its answers in a folder, so that a killed run goes on.

Each request is recorded in a folder of its own, forward and, if need be, backward, part by part
(see `motes.tracking.recording`).  The same request is then answered from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from motes.common.files import make_folder
from motes.common.progress import Progress, silent
from motes.queries.points import Points, Queries
from motes.queries.select import select
from motes.tracking.facts import with_facts
from motes.tracking.identity import query_facts, tracker_facts, video_facts
from motes.tracking.recording import FRAMES_PER_PART, record
from motes.tracking.tracker import Tracker
from motes.tracks import Tracks
from motes.video import Video, open_video
from motes.video.sources.base import Source

FRAMES_AT_A_TIME = 32
"""Frames that are decoded at a time where a video is read backward."""


class ResumableTracker(Tracker):
    """A tracker whose answers are kept in a folder.

    Attributes:
        engine: The model and how it runs.
        folder: Where the recordings are.

    Example:
        >>> from motes.tracking.resumable import ResumableTracker
        >>> resumable = ResumableTracker(motes.load("lk"), "bike.part")
        >>> resumable.track("bike.mp4", [(6, 30, 20)], backward=True).num_frames
        12
    """

    def __init__(self, tracker: Tracker, folder: str | Path, every: int = FRAMES_PER_PART) -> None:
        """Wrap a tracker.

        Args:
            tracker: Whose model is used.
            folder: Where recordings are written; made if need be.
            every: Frames per part; at most this many are tracked again after a kill.
        """
        self.engine = tracker.engine
        self.folder = make_folder(folder)
        self._every = every

    def track(  # type: ignore[override]  # of the options, those that editing uses
        self,
        video: Any,
        queries: Points | None = None,
        *,
        corners: int | None = None,
        at: int | None = None,
        backward: bool = False,
        start: int = 0,
        end: int | None = None,
        progress: Progress | None = None,
    ) -> Tracks:
        """Track points through a video, or read what an earlier run has tracked.

        Args:
            video: Anything that `motes.open_video` opens and that can be read twice.
            queries: As `Tracker.track` takes them.
            corners: Instead of `queries`: the N strongest corners of frame `at`.
            at: Frame of points without a frame number; by default the first.
            backward: Also track from each query towards the start of the video.
            start: First frame to track through.
            end: Frame to stop before; by default the end of the video.
            progress: Called with the number of frames just finished, in every pass.

        Returns:
            As `Tracker.track`; where windows begin at another frame, up to a fraction of a pixel.

        Raises:
            InputError: A query lies outside the image or the frames.
            FileError: The video cannot be read, or another run writes into the folder.

        Example:
            >>> ResumableTracker(motes.load("lk"), "bike.part").track("bike.mp4", corners=5)
            Tracks(5 points, frames 0..11, 96x72, 25 fps, 100% visible)
        """
        source = open_video(video, start=start, end=end)
        points = select(source, queries, corners=corners, at=at)
        folder, advance = self.folder / self._key(source, points), progress or silent
        times = points.txy[:, 0].astype(int)
        first, last = int(times.min()), int(times.max())
        ahead = self._record(open_video(source, start=first), points, folder / "ahead", advance)
        if not backward or last == source.start:
            back = None
        else:
            mirrored = Video(_Mirrored(source, last))
            turned = np.column_stack([last - points.txy[:, 0], points.txy[:, 1:]])
            back = self._record(mirrored, Queries(turned), folder / "back", advance)
        return with_facts(_joined(source.start, points, ahead, back), source, points)

    def _record(self, video: Video, queries: Queries, folder: Path, advance: Progress) -> Tracks:
        make_folder(folder.parent)
        made = record(self, video, queries, folder, every=self._every, progress=advance)
        return made.tracks()

    @cached_property
    def _facts(self) -> dict[str, str]:
        return tracker_facts(self)

    def _key(self, video: Video, points: Queries) -> str:
        """Name of the folder of one request."""
        facts = self._facts | video_facts(video) | query_facts(points)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


class _Mirrored(Source):
    """The frames of a video from one frame back to its first."""

    def __init__(self, video: Video, last: int) -> None:
        self.name = f"{video.name}, backward from frame {last}"
        self.size, self.files = video.size, video.files
        self.fps = Fraction(video.fps)
        self._video, self._last = video, last

    @property
    def num_frames(self) -> int:
        return self._last - self._video.start + 1

    def frames(self, start: int) -> Iterator[np.ndarray]:
        stop = self._last - start + 1
        while stop > self._video.start:
            first = max(stop - FRAMES_AT_A_TIME, self._video.start)
            yield from self._video.read(first, stop)[::-1]
            stop = first


def _joined(start: int, points: Queries, ahead: Tracks, back: Tracks | None) -> Tracks:
    """Tracks from frame `start` on: after each query from `ahead`, before it from `back`.

    Without `back`, frames before a query are hidden, at the position of the query.
    """
    N, T = len(points), ahead.frames.stop - start
    xy = np.repeat(points.xy[:, None], T, 1).astype(np.float32)
    visible, confidence = np.zeros((N, T), bool), np.zeros((N, T), np.float32)
    late = np.arange(start, start + T) >= points.txy[:, :1]
    parts = [(ahead.start - start, ahead, late)]
    if back is not None:
        values = {name: getattr(back, name)[:, ::-1] for name in ("xy", "visible", "confidence")}
        parts.append((0, replace(back, **values), ~late))
    for column, part, wanted in parts:
        columns = slice(column, column + part.num_frames)
        chosen = wanted[:, columns]
        xy[:, columns][chosen] = part.xy[chosen]
        visible[:, columns][chosen] = part.visible[chosen]
        confidence[:, columns][chosen] = part.confidence[chosen]
    return replace(
        ahead,
        xy=xy,
        visible=visible,
        confidence=confidence,
        queries=points.txy,
        start=start,
        times=None,
    )
