"""`Session`: a video whose frames are encoded once, for any number of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from motes.common.progress import Progress, silent
from motes.errors import InputError
from motes.models.base import Features, Prediction, Schedule, concat_predictions
from motes.queries.mask import Mask
from motes.queries.points import Points, Queries
from motes.queries.select import select
from motes.tracking import windows
from motes.tracking.encoded import EncodedVideo
from motes.tracking.engine import Engine
from motes.tracking.facts import with_facts
from motes.tracking.memory import MemoryPlan, cache_bytes, frame_bytes, make_plan
from motes.tracking.results import to_model, to_tracks
from motes.tracking.support import with_support
from motes.tracks import Tracks
from motes.video import Video

ALONE = 8
"""Independent queries that are tracked at a time."""

UNKNOWN_FRAMES = 1000
"""Number of frames that is assumed for a video of unknown length."""


@dataclass(frozen=True)
class Request:
    """Options of `Tracker.track`."""

    queries: Points | None = None
    grid: int | tuple[int, int] | None = None
    corners: int | None = None
    dense: int | None = None
    mask: Mask | None = None
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
        video: The video.
        resize: From the pixels of the video to those of the model, and back.
        encoded: The features of the video.
        cache: Intermediate results of the model (`PointModel.new_cache`).

    Example:
        >>> session = tracker.session("bike.mp4")
        >>> session.track(grid=3).num_points
        9
        >>> int(session.track([(6, 50, 40)], backward=True).visible.sum())
        12
    """

    def __init__(self, engine: Engine, video: Video, keep: bool = True) -> None:
        """Open a session.

        Args:
            engine: The model and how it runs.
            video: The video.
            keep: Whether features are kept for the next pass; if not, memory stays flat.
        """
        self.engine = engine
        self.video = video
        self.resize = engine.preset.resize.plan(video.size)
        self._limit = engine.limit
        self.cache = engine.model.new_cache(cache_bytes(engine.model, self._limit))
        self._lock = Lock()
        self._keep_features(keep)

    def _keep_features(self, keep: bool) -> None:
        self._keep = keep
        kept = self.plan(1, self.fitting_schedule(1)).features if keep else None
        if self._shrinks:
            encode = self.engine.encode_resized
            self.encoded = EncodedVideo(self.video, encode, kept, self._resized)
        else:
            self.encoded = EncodedVideo(self.video, self._encode, kept)

    @property
    def _shrinks(self) -> bool:
        """Whether frames take less memory when they are resized (uint8 to float32)."""
        (W, H), (w, h) = self.resize.source, self.resize.target
        return 4 * w * h <= W * H

    def plan(self, num_points: int, schedule: Schedule | None = None) -> MemoryPlan:
        """Memory and chunk sizes of tracking `num_points` points.

        Raises:
            InputError: Not even a single point fits.

        Example:
            >>> plan = motes.load("lk", memory="200M").session("bike.mp4").plan(num_points=1000)
            >>> plan.points, plan.limit == 200 * 2**20
            (1000, True)
        """
        model, frames = self.engine.model, self.video.num_frames or UNKNOWN_FRAMES
        schedule, size = schedule or model.schedule, self.resize.target
        in_work = frame_bytes(self.video.size)
        return make_plan(
            model, schedule, size, num_points, frames, self._limit, self._keep, in_work
        )

    def fitting_schedule(self, num_points: int) -> Schedule:
        """The model's schedule; with windows, if the whole video would take too much memory.

        Example:
            >>> tracker.session("bike.mp4").fitting_schedule(num_points=10).window
            2
        """
        model = self.engine.model
        try:
            fits = model.schedule.window is not None or self.plan(num_points).points >= num_points
        except InputError:
            fits = False
        return model.schedule if fits else model.windowed()

    def track(self, queries: Points | None = None, **options: Any) -> Tracks:
        """Track points; takes what `Tracker.track` takes, but for the video and its range.

        Several threads may call it; they wait for each other.

        Example:
            >>> session = tracker.session("bike.mp4")
            >>> session.track([(0, 30, 20)]).xy.shape
            (1, 12, 2)
        """
        with self._lock:
            return self.run(Request(queries, **options))

    @torch.inference_mode()
    def run(self, request: Request) -> Tracks:
        """As `track`, for a request.

        Example:
            >>> from motes.tracking.session import Request
            >>> tracker.session("bike.mp4").run(Request(grid=3)).num_points
            9
        """
        selection: dict[str, Any] = {"grid": request.grid, "corners": request.corners}
        selection |= {"dense": request.dense, "mask": request.mask, "at": request.at}
        points = select(self.video, request.queries, **selection)
        schedule = self.fitting_schedule(len(points))
        # Points that do not attend to each other are independent also when tracked together.
        joint = request.joint or not self.engine.model.joint
        passes = _Passes(self, schedule, request)
        txy = to_model(points, self.resize, self.video.start)
        parts = self._parts(len(txy), joint, schedule)
        if len(parts) > 1 and not self._keep:
            self._keep_features(True)
        groups = self._groups([txy[part] for part in parts], request.support)
        predictions = [passes.run(group) for group in groups]
        self._check_length(points)
        everywhere = request.backward or schedule.window is None
        return self._tracks(points, _join(predictions, parts), everywhere)

    def _parts(self, count: int, joint: bool, schedule: Schedule) -> list[np.ndarray]:
        """Indices of the points that are tracked together; each part is spread over all points."""
        if not joint:
            return list(np.arange(max(count, 1))[:count, None]) or [np.arange(0)]
        number = -(-count // self.plan(count, schedule).points) if count else 1
        return [np.arange(i, count, number) for i in range(number)]

    def _groups(self, parts: list[np.ndarray], support: bool) -> list[Tensor]:
        """Parts with their support points, in batches ``[B, N, 3]``."""
        grids, size = self.engine.preset.support, self.resize.target
        full = [with_support(q, grids, size) if support else q for q in parts]
        tensors = [torch.from_numpy(q).to(self.engine.device) for q in full]
        at_once = ALONE if len(parts[0]) == 1 else 1
        return [torch.stack(tensors[i : i + at_once]) for i in range(0, len(tensors), at_once)]

    def _resized(self, frame: np.ndarray) -> Tensor:
        return self.engine.resized(frame, self.resize)

    def _encode(self, frames: Iterable[np.ndarray]) -> Features:
        return self.engine.encode(frames, self.resize)

    def _tracks(self, points: Queries, prediction: Prediction, everywhere: bool) -> Tracks:
        visible = self.engine.visible(prediction)
        fps, start = self.video.fps, self.video.start
        tracks = to_tracks(prediction, visible, points, self.resize, fps, start, everywhere)
        return with_facts(tracks, self.video, points)

    def _check_length(self, points: Queries) -> None:
        """Check queries against the number of frames, which is certain after the first pass."""
        start, length = self.video.start, self.encoded.num_frames or 0
        points.check(self.video.size, range(start, start + length))


class _Passes:
    """One group of queries at a time, forward through the video and, on request, backward."""

    def __init__(self, session: Session, schedule: Schedule, request: Request) -> None:
        self.session = session
        self.model = session.engine.model
        self.schedule = schedule
        # A model that processes the whole video at once tracks in both directions anyway.
        self.backward = request.backward and schedule.window is not None
        self.iterations = request.iterations
        self.progress = request.progress or silent

    def run(self, queries: Tensor) -> Prediction:
        """Track a group ``[B, N, 3]`` in every frame."""
        length = self.session.video.num_frames
        ahead = self._one_way(queries, self.session.encoded.forward(), length)
        last = int(queries[..., 0].max()) if queries.numel() else 0
        if not self.backward or not 0 < last < ahead.xy.shape[1]:
            return ahead
        mirrored = torch.cat([last - queries[..., :1], queries[..., 1:]], -1)
        back = self._one_way(mirrored, self.session.encoded.backward(last), last + 1)
        return _merge(ahead, back, queries)

    def _one_way(
        self, queries: Tensor, chunks: Iterator[Features], num_frames: int | None
    ) -> Prediction:
        if self.schedule.window is None:
            return self._whole(queries, self._counted(chunks))
        return self._in_windows(queries, self._counted(chunks), num_frames)

    def _whole(self, queries: Tensor, chunks: Iterator[Features]) -> Prediction:
        """All frames at once."""
        features = Features.concat(list(chunks)).expanded(len(queries))
        return self._advance(self.model.track, features, queries)

    def _in_windows(
        self, queries: Tensor, chunks: Iterator[Features], num_frames: int | None
    ) -> Prediction:
        state = windows.begin(self.model, queries, self.schedule, num_frames)
        collector = Collector()
        with windows.cancelling(self.session.cache):
            for features in chunks:
                part, state = self._advance(windows.push, self.model, state, features)
                collector.add(part)
            part, state = self._advance(windows.close, self.model, state)
        collector.add(part)
        return collector.prediction()

    def _advance(self, step: Callable[..., Any], *inputs: Any) -> Any:
        with self.session.engine.autocast():
            return step(*inputs, iterations=self.iterations, cache=self.session.cache)

    def _counted(self, chunks: Iterator[Features]) -> Iterator[Features]:
        """The chunks; `progress` is called after each has been processed."""
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
        values = part.tensors
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


def _merge(ahead: Prediction, back: Prediction, queries: Tensor) -> Prediction:
    """Take the frames before each query from the pass that ran backward."""
    L = back.xy.shape[1]
    frames = torch.arange(L, device=queries.device)[None, :, None]
    early = frames < queries[:, None, :, 0]  # [B, L, N]
    return concat_predictions([back.reversed().where(early, ahead[:L]), ahead[L:]])


def _join(groups: list[Prediction], parts: list[np.ndarray]) -> Prediction:
    """Put groups ``[B, T, n + support]`` together as ``[1, T, N]``, in the order of the points."""
    n = len(parts[0])
    order = torch.from_numpy(np.argsort(np.concatenate(parts), kind="stable"))

    def join(values: tuple[Tensor, ...]) -> Tensor:
        sizes = [len(p) for p in parts] if n != 1 else [1] * len(values)
        flat = [
            v[:, :, :size].transpose(1, 2).flatten(0, 1)  # [B * n, T]
            for v, size in zip(values, sizes, strict=True)
        ]
        return torch.cat(flat)[order.to(flat[0].device)].transpose(0, 1)[None]

    return Prediction.combine(groups, join)
