"""`Task`: the questions that a protocol asks about a clip, and the answers to them."""

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
    """Q queries in a clip, and the truth about them.

    Attributes:
        name: Of the clip.
        frames: uint8 ``[T, H, W, 3]``, of the size that the protocol demands.
        queries: float32 ``[Q, 3]`` (t, x, y), in pixels of `frames`.
        raster: float32 ``[Q, T, 2]``, true positions in raster coordinates.
        occluded: bool ``[Q, T]``.
        annotated: bool ``[Q, T]``.
        protocol: How to ask.
        mode: Where to ask, and what to score.
        size: ``(W, H)`` of the original video.
        fps: Of the original video.
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
    def of(cls, clip: Clip, protocol: Protocol, mode: Mode, at_most: int | None = None) -> Task:
        """Read a clip and choose its queries.

        Args:
            clip: The clip.
            protocol: How to ask.
            mode: Where to ask.
            at_most: Largest number of queries; of more, an evenly spread selection is used.

        Raises:
            FileError: The clip cannot be read, or no point is ever visible.
        """
        points, asked = choose_queries(clip.tracks.visible, mode)
        if not len(points):
            raise FileError(f"{clip.name}: expected a visible point, got none")
        if at_most is not None and len(points) > at_most:
            some = np.linspace(0, len(points) - 1, at_most).round().astype(int)
            points, asked = points[some], asked[some]
        raster = pixels_to_raster(clip.tracks.xy[points], clip.tracks.size)
        size = protocol.frame_size(clip.tracks.size)
        here = raster[np.arange(len(asked)), asked].clip(0, 1)  # rounding may have put it outside
        return cls(
            name=clip.name,
            frames=np.stack([resize(frame, size) for frame in clip]),
            queries=np.column_stack([asked, protocol.pixels(here, size)]).astype(np.float32),
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
    def asked(self) -> np.ndarray:
        """int64 ``[Q]``, the frame of each query."""
        return self.queries[:, 0].astype(np.int64)

    def answer(self, tracker: Tracker) -> Tracks:
        """Let a tracker answer, in the pixels of `frames`."""
        adapted = self.protocol.adapt(tracker)
        answer = self._track(adapted, self.frames, self.queries)
        if self.mode == "strided" and adapted is not tracker:
            return self._filled(answer, adapted)
        return answer

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

    def _filled(self, answer: Tracks, tracker: Tracker | OfficialTracker) -> Tracks:
        """CoTracker's evaluation asks again on the reversed video where it finds exact zeros."""
        empty = answer.xy == 0
        if not empty.any():
            return answer
        mirrored = self.queries.copy()
        mirrored[:, 0] = len(self.frames) - 1 - mirrored[:, 0]
        back = self._track(tracker, self.frames[::-1], mirrored)
        xy = np.where(empty, back.xy[:, ::-1], answer.xy)
        visible = np.where(empty.all(-1), back.visible[:, ::-1], answer.visible)
        return replace(answer, xy=xy, visible=visible)

    def score(self, answer: Tracks) -> dict[str, float]:
        """The metrics of an answer (`tapvid_metrics`)."""
        return tapvid_metrics(
            self.asked,
            self.raster * self.protocol.scale,
            self.occluded,
            self.protocol.raster(answer.xy, self.frame_size) * self.protocol.scale,
            ~answer.visible,
            self.mode,
            self.annotated,
        )

    def on_video(self, answer: Tracks) -> Tracks:
        """An answer in pixels of the original video, as `motes render` and others take it."""

        def convert(xy: np.ndarray) -> np.ndarray:
            return raster_to_pixels(self.protocol.raster(xy, self.frame_size), self.size)

        queries = np.column_stack([answer.queries[:, :1], convert(answer.queries[:, 1:])])
        return replace(answer, xy=convert(answer.xy), queries=queries, size=self.size, fps=self.fps)
