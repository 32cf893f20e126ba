"""`Task`: the queries of a protocol in a clip, and the scores of predicted tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from motes.coordinates import pixels_to_raster, raster_to_pixels
from motes.data.dataset import Clip
from motes.errors import FileError
from motes.eval.lanczos import resize
from motes.eval.metrics import Mode, tapvid_metrics
from motes.eval.protocols import Protocol, choose_queries
from motes.tracks import Tracks

if TYPE_CHECKING:
    from motes.tracking.official import OfficialTracker
    from motes.tracking.tracker import Tracker


@dataclass(frozen=True, eq=False)
class Task:
    """Q queries in a clip, and their ground truth.

    Attributes:
        name: Name of the clip.
        frames: uint8 ``[T, H, W, 3]``, at the size of the protocol.
        queries: float32 ``[Q, 3]`` (t, x, y), in pixels of `frames`.
        raster: float32 ``[Q, T, 2]``, true positions in raster coordinates.
        occluded: bool ``[Q, T]``.
        annotated: bool ``[Q, T]``.
        protocol: How the tracker is run.
        mode: Frames of the queries, and frames that are scored.
        size: ``(W, H)`` of the original video.
        fps: Frame rate of the original video.

    Example:
        >>> from motes.data import load
        >>> from motes.eval.protocols import find_protocol
        >>> from motes.eval.task import Task
        >>> clip = load("clips", "clips").entries[0].load()
        >>> task = Task.of(clip, find_protocol("native"), "first", max_queries=5)
        >>> task.score(task.track(tracker))["average_jaccard"] > 0.5
        True
    """

    name: str
    frames: np.ndarray
    queries: np.ndarray
    raster: np.ndarray
    occluded: np.ndarray
    annotated: np.ndarray
    protocol: Protocol
    mode: Mode
    size: tuple[int, int]
    fps: Fraction

    @classmethod
    def of(cls, clip: Clip, protocol: Protocol, mode: Mode, max_queries: int | None = None) -> Task:
        """Read a clip and choose its queries.

        Args:
            clip: The clip.
            protocol: How the tracker is run.
            mode: Frames of the queries.
            max_queries: Largest number of queries; an evenly spread selection of all queries.

        Raises:
            FileError: The clip cannot be read, or no point is ever visible.
        """
        points, starts = choose_queries(clip.tracks.visible, mode)
        if not len(points):
            raise FileError(f"{clip.name}: expected a visible point, got none")
        if max_queries is not None and len(points) > max_queries:
            some = np.linspace(0, len(points) - 1, max_queries).round().astype(int)
            points, starts = points[some], starts[some]
        raster = pixels_to_raster(clip.tracks.xy[points], clip.tracks.size)
        size = protocol.frame_size(clip.tracks.size)
        start_xy = raster[np.arange(len(starts)), starts].clip(0, 1)  # rounding can leave the frame
        return cls(
            name=clip.name,
            frames=np.stack([resize(frame, size) for frame in clip]),
            queries=np.column_stack([starts, protocol.pixels(start_xy, size)]).astype(np.float32),
            raster=raster,
            occluded=~clip.tracks.visible[points],
            annotated=clip.annotated[points],
            protocol=protocol,
            mode=mode,
            size=clip.tracks.size,
            fps=clip.tracks.fps,
        )

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of `frames`."""
        _, H, W, _ = self.frames.shape
        return W, H

    @property
    def query_frames(self) -> np.ndarray:
        """int64 ``[Q]``, the frame of each query."""
        return self.queries[:, 0].astype(np.int64)

    def track(self, tracker: Tracker) -> Tracks:
        """Run a tracker; the tracks are in the pixels of `frames`."""
        adapted = self.protocol.adapt(tracker)
        tracks = self._track(adapted, self.frames, self.queries)
        if self.mode == "strided" and adapted is not tracker:
            return self._filled(tracks, adapted)
        return tracks

    def _track(
        self, tracker: Tracker | OfficialTracker, frames: np.ndarray, queries: np.ndarray
    ) -> Tracks:
        return tracker.track(
            frames,
            queries,
            joint=not (self.protocol.independent and tracker.model.joint),
            support=self.protocol.support,
            backward=self.mode == "strided",
        )

    def _filled(self, tracks: Tracks, tracker: Tracker | OfficialTracker) -> Tracks:
        """Replace exact zeros by tracks of the reversed video, as CoTracker's evaluation does."""
        empty = tracks.xy == 0
        if not empty.any():
            return tracks
        queries = self.queries.copy()
        queries[:, 0] = len(self.frames) - 1 - queries[:, 0]
        back = self._track(tracker, self.frames[::-1], queries)
        xy = np.where(empty, back.xy[:, ::-1], tracks.xy)
        visible = np.where(empty.all(-1), back.visible[:, ::-1], tracks.visible)
        return replace(tracks, xy=xy, visible=visible)

    def score(self, tracks: Tracks) -> dict[str, float]:
        """The metrics of predicted tracks (`tapvid_metrics`)."""
        return tapvid_metrics(
            self.query_frames,
            self.raster * self.protocol.scale,
            self.occluded,
            self.protocol.raster(tracks.xy, self.frame_size) * self.protocol.scale,
            ~tracks.visible,
            self.mode,
            self.annotated,
        )

    def on_video(self, tracks: Tracks) -> Tracks:
        """Predicted tracks in pixels of the original video."""

        def convert(xy: np.ndarray) -> np.ndarray:
            return raster_to_pixels(self.protocol.raster(xy, self.frame_size), self.size)

        queries = np.column_stack([tracks.queries[:, :1], convert(tracks.queries[:, 1:])])
        return replace(tracks, xy=convert(tracks.xy), queries=queries, size=self.size, fps=self.fps)
