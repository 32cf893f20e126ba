"""A long video in stretches of frames that are encoded in other processes, several at a time.

Encoding a frame, and the flow between frames, depend on no point and on no earlier result, and for
most models they are most of the work.  `encode_stretch` does both for some frames.  A `Stream` that
takes these frames in order gives exactly the tracks that it gives for the frames of the video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from motes.models.base import Features, PointModel
from motes.tracking.engine import Engine
from motes.tracking.memory import feature_bytes
from motes.video import Video, open_video
from motes.video.ahead import frames_ahead, read_ahead

STRETCH_BYTES = 256 * 2**20
"""Bytes of the features of a stretch, about; flow between its frames takes about as much again."""

SHORTEST, LONGEST = 32, 256
"""Frames of a stretch.  Where there is flow, stretches overlap by a window of frames."""


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as `Stream.push` takes it.

    Attributes:
        size: Width and height of the frame.
        features: Of this one frame.
        cached: Entries of the model's cache for the windows that this frame completes.
    """

    size: tuple[int, int]
    features: Features
    cached: Mapping[Any, Any]


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames, encoded.

    Attributes:
        frames: In order; fewer than requested only where the video ends.
        problem: See `Video.problem`.
    """

    frames: tuple[EncodedFrame, ...]
    problem: str | None


def stretch_length(engine: Engine, size: tuple[int, int]) -> int:
    """Frames of a stretch of a video of ``(W, H)`` pixels, by the size of their features."""
    per_frame = feature_bytes(engine.model, engine.preset.resize.plan(size).target)
    return min(max(STRETCH_BYTES // per_frame, SHORTEST), LONGEST)


@torch.inference_mode()
def encode_stretch(engine: Engine, video: Video, start: int, stop: int) -> Stretch:
    """Encode frames ``start .. stop - 1`` of a video, with all that a stream needs of them.

    Args:
        engine: The model and how it runs.
        video: Its first frame is the first one of the stream.
        start: Number of the first frame.
        stop: Number after the last; the video may end before.

    Returns:
        The stretch.

    Raises:
        InputError: The model processes only whole videos.
        FileError: The video cannot be read.

    Example:
        >>> from motes.tracking.stretches import encode_stretch
        >>> video = motes.open_video("bike.mp4")
        >>> stretch = encode_stretch(tracker.engine, video, 0, 12)
        >>> stream = tracker.stream([(0, 30, 20)])
        >>> parts = [part for frame in stretch.frames for part in stream.push(frame)]
        >>> len(stretch.frames), stretch.problem
        (12, None)
    """
    first = max(start - _overlap(engine.model), video.start)
    to_end = video.num_frames is not None and stop >= video.start + video.num_frames
    part = open_video(video, start=first, end=None if to_end else stop)
    windows = _Windows(engine.model, first - video.start)
    resize = engine.preset.resize.plan(video.size)
    frames: list[EncodedFrame] = []
    for number, frame in enumerate(read_ahead(part, frames_ahead(video.size)), first):
        features = engine.encode(frame[None], resize)
        windows.add(features)
        if number >= start:
            frames.append(EncodedFrame(video.size, features, windows.completed()))
    if frames and (to_end or len(frames) < stop - start):
        cached = {**frames[-1].cached, **windows.cut_off()}
        frames[-1] = replace(frames[-1], cached=cached)
    return Stretch(tuple(frames), video.problem)


def _overlap(model: PointModel) -> int:
    """Frames before a stretch that its first window needs to fill the cache."""
    return (model.windowed().window or 1) - 1 if model.cache_bytes else 0


class _Windows:
    """Prepares the windows that end in a stretch; frames count from the first one of the stream."""

    def __init__(self, model: PointModel, first: int) -> None:
        """Before frame `first`, the first one that will be added."""
        self._model, self._schedule = model, model.windowed()
        self._length = self._schedule.window or 1
        self._cache = model.new_cache(model.cache_bytes)
        self._given = set[Any]()
        self._last = deque[Features](maxlen=self._length if model.cache_bytes else 0)
        self._seen = first

    def add(self, features: Features) -> None:
        """Take in the next frame."""
        self._last.append(features)
        self._seen += 1

    def completed(self) -> Mapping[Any, Any]:
        """New entries of the cache for the window that the last frame completes, if it does."""
        start = self._seen - self._length
        starts = [start] if start >= 0 and start % self._schedule.step == 0 else []
        return self._prepared(starts)

    def cut_off(self) -> Mapping[Any, Any]:
        """New entries for the windows that the end of the video cuts off."""
        return self._prepared(self._schedule.starts(self._seen))

    def _prepared(self, starts: Sequence[int]) -> Mapping[Any, Any]:
        held = self._seen - len(self._last)
        starts = [start for start in starts if held <= start < self._seen]
        for start in starts:
            frames = Features.concat(list(self._last)[start - held :])
            self._model.prepare(frames, start, self._cache)
        entries = self._cache.entries() if starts else {}
        new = {key: value for key, value in entries.items() if key not in self._given}
        self._given.update(new)
        return new
