"""`Session`: a video whose frames are encoded once, whatever is asked of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from motes.common.progress import Progress, silent
from motes.errors import InputError
from motes.models.base import Features, PointModel, Prediction, concat_predictions
from motes.queries.points import Points, Queries
from motes.queries.select import select
from motes.tracking import windows
from motes.tracking.encoded import EncodedVideo
from motes.tracking.engine import Engine
from motes.tracking.memory import MemoryPlan, make_plan
from motes.tracking.results import to_model, to_tracks
from motes.tracking.support import with_support
from motes.tracking.times import with_times
from motes.tracks import Tracks
from motes.video import Video

ALONE = 8
"""Queries that are tracked at a time when each is tracked as if it were alone."""

UNKNOWN_FRAMES = 1000
"""How many frames a video is taken to have that does not say."""


@dataclass(frozen=True)
class Request:
    """What is asked of a video; see `Tracker.track`."""

    queries: Points | None = None
    grid: int | None = None
    keypoints: int | None = None
    dense: int | None = None
    mask: str | PathLike[str] | np.ndarray | None = None
    at: int | None = None
    backward: bool = False
    joint: bool = True
    support: bool = True
    iterations: int | None = None
    progress: Progress | None = None


class Session:
    """Tracks points through one video; frames are encoded when first needed, and kept.

    Attributes:
        engine: The model and how it runs.
        video: What is tracked through.
        resize: From the pixels of the video to those of the model, and back.
        encoded: Its features.
    """

    def __init__(self, engine: Engine, video: Video, keep: bool = True) -> None:
        """Open a session.

        Args:
            engine: The model and how it runs.
            video: What is tracked through.
            keep: Whether features are kept for the next pass.  If not, memory stays flat.
        """
        self.engine = engine
        self.video = video
        self.resize = engine.preset.resize.plan(video.size)
        self._limit = engine.limit
        self._keep_features(keep)

    def _keep_features(self, keep: bool) -> None:
        self._keep = keep
        kept = self.plan(1, self.fitting_model(1)).features if keep else None
        self.encoded = EncodedVideo(self.video, self._encode, kept)

    def plan(self, num_points: int, model: PointModel | None = None) -> MemoryPlan:
        """How much memory tracking so many points will take, and how it is cut up to fit.

        Raises:
            InputError: It does not fit, however it is cut.
        """
        model, frames = model or self.engine.model, self.video.num_frames or UNKNOWN_FRAMES
        return make_plan(model, self.resize.target, num_points, frames, self._limit, self._keep)

    def fitting_model(self, num_points: int) -> PointModel:
        """The model; with windows, if the whole video at once would take too much memory."""
        model = self.engine.model
        try:
            whole = model.window is not None or self.plan(num_points).points >= num_points
        except InputError:
            whole = False
        return model if whole else model.windowed()

    def track(self, queries: Points | None = None, **options: Any) -> Tracks:
        """Track points; takes what `Tracker.track` takes, but for the video and its range."""
        return self.answer(Request(queries, **options))

    @torch.inference_mode()
    def answer(self, asked: Request) -> Tracks:
        """As `track`, for a request."""
        ways: dict[str, Any] = {"grid": asked.grid, "keypoints": asked.keypoints}
        ways |= {"dense": asked.dense, "mask": asked.mask, "at": asked.at}
        points = select(self.video, asked.queries, **ways)
        model = self.fitting_model(len(points))
        # Points that do not see each other are as if alone, also when tracked together.
        joint = asked.joint or not model.joint
        model.remember(self.plan(1, model).remembered)
        passes = _Passes(self, model, asked)
        txy = to_model(points, self.resize, self.video.start)
        parts = self._parts(len(txy), joint, model)
        if len(parts) > 1 and not self._keep:
            self._keep_features(True)
        groups = self._groups([txy[part] for part in parts], asked.support)
        found = [passes.run(group) for group in groups]
        self._check_length(points)
        both_ways = asked.backward or model.window is None
        return self._tracks(points, _join(found, parts), both_ways)

    def _parts(self, count: int, joint: bool, model: PointModel) -> list[np.ndarray]:
        """Which points are tracked together; each part is spread over all of them."""
        if not joint:
            return list(np.arange(max(count, 1))[:count, None]) or [np.arange(0)]
        number = -(-count // self.plan(count, model).points) if count else 1
        return [np.arange(i, count, number) for i in range(number)]

    def _groups(self, parts: list[np.ndarray], support: bool) -> list[Tensor]:
        """Queries ``[B, N, 3]`` that go through the model together; parts of one size, that is."""
        wanted, size = self.engine.preset.support, self.resize.target
        full = [with_support(q, wanted, size) if support else q for q in parts]
        tensors = [torch.from_numpy(q).to(self.engine.device) for q in full]
        at_once = ALONE if len(parts[0]) == 1 else 1
        return [torch.stack(tensors[i : i + at_once]) for i in range(0, len(tensors), at_once)]

    def _encode(self, frames: np.ndarray) -> Features:
        return self.engine.encode(frames, self.resize)

    def _tracks(self, points: Queries, found: Prediction, both_ways: bool) -> Tracks:
        visible = self.engine.visible(found)
        fps, start = self.video.fps, self.video.start
        tracks = to_tracks(found, visible, points, self.resize, fps, start, both_ways)
        return with_times(tracks, self.video)

    def _check_length(self, points: Queries) -> None:
        """The number of frames is certain only now."""
        start, length = self.video.start, self.encoded.num_frames or 0
        points.check(self.video.size, range(start, start + length))


class _Passes:
    """One group of queries at a time, through the video and, if wanted, back again."""

    def __init__(self, session: Session, model: PointModel, asked: Request) -> None:
        self.session = session
        self.model = model
        # A model that sees the whole video at once looks both ways anyway.
        self.backward = asked.backward and model.window is not None
        self.iterations = asked.iterations
        self.progress = asked.progress or silent

    def run(self, queries: Tensor) -> Prediction:
        """Track a group ``[B, N, 3]`` in every frame."""
        length = self.session.video.num_frames
        found = self._one_way(queries, self.session.encoded.forward(), length)
        last = int(queries[..., 0].max()) if queries.numel() else 0
        if not self.backward or not 0 < last < found.xy.shape[1]:
            return found
        mirrored = torch.cat([last - queries[..., :1], queries[..., 1:]], -1)
        back = self._one_way(mirrored, self.session.encoded.backward(last), last + 1)
        return _merge(found, back, queries)

    def _one_way(
        self, queries: Tensor, chunks: Iterator[Features], num_frames: int | None
    ) -> Prediction:
        if self.model.window is None:
            return self._whole(queries, self._counted(chunks))
        return self._in_windows(queries, self._counted(chunks), num_frames)

    def _whole(self, queries: Tensor, chunks: Iterator[Features]) -> Prediction:
        """All frames at once, joined once."""
        features = Features.concat(list(chunks)).expanded(len(queries))
        return self._advance(self.model.track, features, queries)

    def _in_windows(
        self, queries: Tensor, chunks: Iterator[Features], num_frames: int | None
    ) -> Prediction:
        state, found = windows.begin(self.model, queries, num_frames), Collector()
        for features in chunks:
            part, state = self._advance(windows.push, self.model, state, features)
            found.add(part)
        part, state = self._advance(windows.close, self.model, state)
        found.add(part)
        return found.prediction()

    def _advance(self, step: Callable[..., Any], *inputs: Any) -> Any:
        with self.session.engine.autocast():
            return step(*inputs, iterations=self.iterations)

    def _counted(self, chunks: Iterator[Features]) -> Iterator[Features]:
        """The chunks; progress is told of each that has been dealt with."""
        for features in chunks:
            yield features
            self.progress(len(features))


class Collector:
    """Joins predictions of consecutive frames in buffers that double when they are full.

    Thousands of small tensors among large temporary ones would scatter the heap, so that it grows
    with the length of the video.
    """

    def __init__(self) -> None:
        self._buffers: list[Tensor] = []
        self._length = 0

    def add(self, part: Prediction | None) -> None:
        """Append the frames of a prediction."""
        if part is None:
            return
        values = [v for v in (part.xy, part.visibility, part.confidence) if v is not None]
        stop = self._length + part.xy.shape[1]
        if not self._buffers or stop > self._buffers[0].shape[1]:
            self._buffers = [self._larger(i, v, stop) for i, v in enumerate(values)]
        for buffer, value in zip(self._buffers, values, strict=True):
            buffer[:, self._length : stop] = value
        self._length = stop

    def _larger(self, i: int, value: Tensor, length: int) -> Tensor:
        buffer = value.new_empty(value.shape[0], max(2 * length, 64), *value.shape[2:])
        if self._buffers:
            buffer[:, : self._length] = self._buffers[i][:, : self._length]
        return buffer

    def prediction(self) -> Prediction:
        """All frames so far."""
        return Prediction(*(b[:, : self._length] for b in self._buffers))


def _merge(found: Prediction, back: Prediction, queries: Tensor) -> Prediction:
    """Take the frames before each query from the pass that ran backward."""
    L = back.xy.shape[1]
    frames = torch.arange(L, device=queries.device)[None, :, None]
    early = frames < queries[:, None, :, 0]  # [B, L, N]
    return concat_predictions([back.reversed().where(early, found[:L]), found[L:]])


def _join(found: list[Prediction], parts: list[np.ndarray]) -> Prediction:
    """Put groups ``[B, T, n + support]`` together as ``[1, T, N]``, in the order of the points."""
    n = len(parts[0])
    order = torch.from_numpy(np.argsort(np.concatenate(parts), kind="stable"))

    def join(values: list[Tensor]) -> Tensor:
        sizes = [len(p) for p in parts] if n != 1 else [1] * len(values)
        flat = [
            v[:, :, :size].transpose(1, 2).flatten(0, 1)  # [B * n, T]
            for v, size in zip(values, sizes, strict=True)
        ]
        return torch.cat(flat)[order.to(flat[0].device)].transpose(0, 1)[None]

    confidences = [p.confidence for p in found if p.confidence is not None]
    return Prediction(
        join([p.xy for p in found]),
        join([p.visibility for p in found]),
        join(confidences) if confidences else None,
    )
