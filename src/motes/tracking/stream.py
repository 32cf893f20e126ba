"""`Stream`: frames in one at a time, tracks of the frames that have become final out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import wraps
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from motes.common.packing import kinds_in, load, pack, save, unpack
from motes.coordinates import Resize
from motes.errors import FileError, InputError
from motes.models.base import Features, Prediction, Schedule
from motes.queries.points import Points, Queries
from motes.queries.select import UNKNOWN_END
from motes.tracking import windows
from motes.tracking.engine import Engine
from motes.tracking.memory import cache_bytes
from motes.tracking.results import to_model, to_tracks
from motes.tracking.stretches import EncodedFrame
from motes.tracking.support import with_support
from motes.tracks import DEFAULT_FPS, Tracks

P = ParamSpec("P")
R = TypeVar("R")

SUPPORT = -1
"""Id of support points, which do not appear in the results."""


@dataclass(frozen=True)
class StreamState:
    """The state of a stream: a plain value, which can be saved and resumed elsewhere.

    M counts the user's points and the support points.

    Attributes:
        model: Name of the model that the stream was made with.
        txy: float32 ``[M, 3]``, the queries; frames as in the video, positions in its pixels.
        ids: int64 ``[M]``; `SUPPORT` for support points.
        hidden: int64 ``[M]``, number of frames in a row in which each point has been hidden.
        next_id: Id of the next point.
        size: Width and height of the frames; None before the first.
        fps: Frame rate.
        start: Number of the first frame.
        windows: State of the windows; None before the first frame.
        closed: Whether the video has ended.
        past: Features of the last frames before those of `windows`, for `Stream.look_back`.
        dtype: Number type of the features, such as ``"float32"``; None in files of older versions.

    Example:
        >>> state = tracker.stream([(0, 30, 20)]).state
        >>> state.model, state.ids.tolist(), state.size
        ('lk', [0], None)
    """

    model: str
    txy: Tensor
    ids: Tensor
    hidden: Tensor
    next_id: int
    fps: Fraction = DEFAULT_FPS
    start: int = 0
    size: tuple[int, int] | None = None
    windows: windows.WindowState | None = None
    closed: bool = False
    past: tuple[Features, ...] = ()
    dtype: str | None = None


@dataclass(frozen=True)
class StreamOptions:
    """How a stream runs; see `Tracker.stream`."""

    latency: int | None = None
    support: bool = True
    iterations: int | None = None
    memory: int = 0


def _one_at_a_time(
    method: Callable[Concatenate[Stream, P], R],
) -> Callable[Concatenate[Stream, P], R]:
    """A method of `Stream` that waits until the calls of other threads are done."""

    @wraps(method)
    def call(stream: Stream, /, *args: P.args, **options: P.kwargs) -> R:
        with stream._lock:
            return method(stream, *args, **options)

    return call


class Stream:
    """Tracks points through frames of unknown number, in flat memory.

    Several threads may use a stream; their calls follow one another.

    Attributes:
        state: A `StreamState`; replaced, never changed.

    Example:
        >>> stream = tracker.stream([(0, 30, 20)])
        >>> for frame in motes.open_video("bike.mp4"):
        ...     for part in stream.push(frame):
        ...         last = part.frames[-1]
        >>> rest = stream.close()
        >>> last, rest
        (10, Tracks(1 points, frames 11..11, 96x72, 25 fps, 100% visible))
    """

    def __init__(self, engine: Engine, state: StreamState, options: StreamOptions) -> None:
        self.engine = engine
        self.state = state
        self.options = options
        self._lock = RLock()
        self._schedule = engine.model.windowed()
        if options.latency is not None:
            self._schedule = self._schedule.with_latency(options.latency)
        self._cache = engine.model.new_cache(cache_bytes(engine.model, engine.limit))

    def cancelling(self) -> AbstractContextManager[None]:
        """A context; an error in it stops work that runs ahead of the stream in other threads.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)])
            >>> with stream.cancelling():
            ...     parts = stream.push(motes.open_video("bike.mp4")[0])
        """
        return windows.cancelling(self._cache)

    @property
    def next_frame(self) -> int:
        """Number of the frame that `push` takes next."""
        seen = self.state.windows.seen if self.state.windows else 0
        return self.state.start + seen

    @property
    def ids(self) -> list[int]:
        """Ids of the points that are being tracked."""
        return [i for i in self.state.ids.tolist() if i != SUPPORT]

    @_one_at_a_time
    @torch.inference_mode()
    def push(self, frame: np.ndarray | EncodedFrame) -> list[Tracks]:
        """Take in the next frame.

        Args:
            frame: uint8 RGB ``[H, W, 3]``, or what `motes.tracking.stretches.encode_stretch` made
                of it.

        Returns:
            Tracks of the frames that are now final: none or one `Tracks`.

        Raises:
            InputError: The frame is not RGB uint8, of another size than the first, or comes after
                `close`; the stream is as it was before.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)], latency=1)
            >>> [part.frames for part in stream.push(motes.open_video("bike.mp4")[0])]
            [range(0, 1)]
        """
        if self.state.closed:
            raise InputError("frame: expected none after the stream was closed, got one")
        size = _check_size(_frame_size(frame), self.state.size)
        state, before = self._opened(size)
        features = self._features(frame, self._resize(size))
        with self.engine.autocast():
            prediction, after = windows.push(
                self.engine.model,
                before,
                features,
                self.options.iterations,
                self._cache,
                ahead=not isinstance(frame, EncodedFrame),
            )
        past = self._kept((*state.past, *before.features, features), after)
        self.state = replace(state, windows=after, past=past)
        return self._out(prediction)

    @_one_at_a_time
    @torch.inference_mode()
    def close(self) -> Tracks | None:
        """End the video: every frame becomes final.

        Returns:
            Tracks of the frames that had not come out yet; None if there are none.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)])
            >>> video = motes.open_video("bike.mp4")
            >>> parts = [part for frame in video for part in stream.push(frame)]
            >>> stream.close()
            Tracks(1 points, frames 11..11, 96x72, 25 fps, 100% visible)
        """
        window_state, prediction = self.state.windows, None
        if window_state is not None:
            with self.engine.autocast():
                prediction, window_state = windows.close(
                    self.engine.model, window_state, self.options.iterations, self._cache
                )
        self.state = replace(self.state, windows=window_state, closed=True)
        return next(iter(self._out(prediction)), None)

    @_one_at_a_time
    def add(self, points: Points, at: int | None = None) -> list[int]:
        """Track more points from now on.

        Args:
            points: Rows ``(t, x, y)``, or ``(x, y)`` in frame `at`.
            at: By default the frame that comes next.

        Returns:
            The ids of the points.

        Raises:
            InputError: A point lies outside the image, or in a frame that is gone.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)])
            >>> _ = stream.push(motes.open_video("bike.mp4")[0])
            >>> stream.add([(50, 40), (60, 10)])
            [1, 2]
        """
        queries = Queries.of(points, self.next_frame if at is None else at)
        window_state = self.state.windows
        first = self.state.start + (window_state.first if window_state else 0)
        dropped = queries.frames < first
        if dropped.any():
            raise InputError(
                f"query {int(dropped.argmax())}: expected frame {first} or later, "
                f"got {queries.frames[dropped.argmax()]}, whose features are dropped"
            )
        if self.state.size is not None:
            queries.check(self.state.size, range(first, UNKNOWN_END))
        ids = list(range(self.state.next_id, self.state.next_id + len(queries)))
        self._join(queries, ids)
        return ids

    @_one_at_a_time
    def remove(self, ids: Iterable[int]) -> None:
        """Stop tracking points.

        Raises:
            InputError: An id that is not being tracked.

        Example:
            >>> stream = tracker.stream([(0, 30, 20), (0, 50, 40)])
            >>> stream.remove([0])
            >>> stream.ids
            [1]
        """
        gone = set(ids)
        if unknown := gone - set(self.ids):
            raise InputError(f"remove: expected ids that are tracked, got {sorted(unknown)}")
        kept = torch.tensor([i not in gone for i in self.state.ids.tolist()], dtype=torch.bool)
        s = self.state
        window_state = s.windows and windows.select(s.windows, kept.to(self.engine.device))
        self.state = replace(
            s, txy=s.txy[kept], ids=s.ids[kept], hidden=s.hidden[kept], windows=window_state
        )

    @_one_at_a_time
    def correct(self, point: int, x: float, y: float, at: int | None = None) -> None:
        """Correct the position of a point; it keeps its id and is tracked from there.

        Args:
            point: Its id.
            x: Position in pixels of the video.
            y: The same.
            at: Frame; by default the frame that comes next.

        Raises:
            InputError: The id is not being tracked, or see `add`.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)])
            >>> _ = stream.push(motes.open_video("bike.mp4")[0])
            >>> stream.correct(0, 33.5, 20)
            >>> stream.ids
            [0]
        """
        before = self.state
        self.remove([point])
        try:
            self.add([(x, y)], at)
        except InputError:
            self.state = before
            raise
        ids = self.state.ids.clone()
        ids[-1] = point
        self.state = replace(self.state, ids=ids, next_id=before.next_id)

    @_one_at_a_time
    def remove_lost(self, frames: int) -> list[int]:
        """Stop tracking points that have been hidden for at least `frames` frames in a row.

        Returns:
            The ids of the points that were removed.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)])
            >>> video = motes.open_video("bike.mp4")
            >>> parts = [part for frame in video for part in stream.push(frame)]
            >>> stream.remove_lost(frames=5)
            []
        """
        lost = (self.state.hidden >= frames) & (self.state.ids != SUPPORT)
        ids = self.state.ids[lost].tolist()
        self.remove(ids)
        return ids

    @_one_at_a_time
    @torch.inference_mode()
    def look_back(self, points: Points, at: int | None = None) -> Tracks:
        """Track points backward through the frames that are still remembered.

        Args:
            points: Rows ``(t, x, y)``, or ``(x, y)`` in frame `at`.
            at: By default the last frame that came in.

        Returns:
            Tracks from the first frame remembered to the last one that came in.

        Raises:
            InputError: A point lies outside the image, or in a frame that is not remembered.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)], memory=6)
            >>> video = motes.open_video("bike.mp4")
            >>> parts = [part for frame in video for part in stream.push(frame)]
            >>> stream.look_back([(50, 40)]).frames
            range(6, 12)
        """
        s = self.state
        known = (*s.past, *(s.windows.features if s.windows else ()))
        if not known or s.size is None:
            raise InputError("look_back: expected at least one frame that is remembered, got none")
        features = Features.concat(known)
        frames = range(self.next_frame - len(features), self.next_frame)
        queries = Queries.of(points, frames.stop - 1 if at is None else at)
        queries.check(s.size, frames)
        resize = self._resize(s.size)
        txy = to_model(queries, resize, frames.start)
        txy[:, 0] = len(features) - 1 - txy[:, 0]
        model = self.engine.model
        with self.engine.autocast():
            prediction = model.track(
                features.reversed(),
                self._on_device(txy),
                self.options.iterations,
                model.windowed(),
                self._cache,
            ).reversed()
        visible = self.engine.visible(prediction)
        return to_tracks(prediction, visible, queries, resize, s.fps, frames.start, everywhere=True)

    @_one_at_a_time
    def save(self, path: str | PathLike[str]) -> None:
        """Save the state; `Tracker.resume` goes on from there, in any process.

        Raises:
            FileError: The file cannot be written; what was there before stays.

        Example:
            >>> stream = tracker.stream([(0, 30, 20)])
            >>> stream.save("stream.pt")
            >>> tracker.resume("stream.pt").next_frame
            0
        """
        save({"state": pack(self.state), "options": pack(self.options)}, path)

    def _opened(self, size: tuple[int, int]) -> tuple[StreamState, windows.WindowState]:
        """The state and its windows, which are made when the first frame shows the size."""
        if self.state.windows is not None:
            return self.state, self.state.windows
        s = replace(self.state, size=size)
        points = Queries(s.txy.numpy())
        points.check(size, range(s.start, UNKNOWN_END))
        txy = to_model(points, self._resize(size), s.start)
        if self.options.support:
            wanted = self.engine.preset.support
            txy = with_support(txy, wanted, self._resize(size).target)
        window_state = windows.begin(self.engine.model, self._on_device(txy), self._schedule)
        extra = np.zeros((len(txy) - len(points), 3))
        return _with_points(
            replace(s, windows=window_state), extra, [SUPPORT] * len(extra)
        ), window_state

    def _join(self, queries: Queries, ids: list[int]) -> None:
        s = self.state
        if s.windows is not None and s.size is not None:
            txy = to_model(queries, self._resize(s.size), s.start)
            s = replace(s, windows=windows.grow(s.windows, self._on_device(txy)))
        s = _with_points(s, queries.txy, ids)
        self.state = replace(s, next_id=s.next_id + len(ids))

    def _on_device(self, txy: np.ndarray) -> Tensor:
        """Queries ``[N, 3]`` as the model takes them, ``[1, N, 3]``."""
        return torch.from_numpy(txy.astype(np.float32))[None].to(self.engine.device)

    def _features(self, frame: np.ndarray | EncodedFrame, resize: Resize) -> Features:
        """Of a frame; what came with features that are there already goes to the cache."""
        if not isinstance(frame, EncodedFrame):
            return self.engine.encode(frame[None], resize)
        if frame.cached:
            self._cache.update(frame.cached)
        return frame.features.map(lambda v: v.to(self.engine.device))

    def _resize(self, size: tuple[int, int]) -> Resize:
        return self.engine.preset.resize.plan(size)

    def _kept(
        self, known: Sequence[Features], window_state: windows.WindowState
    ) -> tuple[Features, ...]:
        """Features for `look_back` that the windows no longer hold, out of `known`."""
        total, held = sum(map(len, known)), window_state.seen - window_state.first
        return windows.cut(known, total - max(self.options.memory, held), total - held)

    def _out(self, prediction: Prediction | None) -> list[Tracks]:
        s = self.state
        if prediction is None or s.windows is None or s.size is None:
            return []
        visible = self.engine.visible(prediction)
        hidden = _hidden_for(s.hidden, visible[0].cpu())
        self.state = replace(s, hidden=hidden)
        mine = (s.ids != SUPPORT).to(prediction.xy.device)
        points = Queries(s.txy[s.ids != SUPPORT].numpy())
        start = s.start + s.windows.emitted - prediction.xy.shape[1]
        ids = np.array(self.ids, np.int64)
        prediction, visible = prediction.points(mine), visible[:, :, mine]
        resize = self._resize(s.size)
        return [to_tracks(prediction, visible, points, resize, s.fps, start, False, ids)]


def begin_stream(
    engine: Engine, queries: Queries, fps: Fraction, start: int, options: StreamOptions
) -> Stream:
    """A stream before its first frame; see `Tracker.stream`."""
    N = len(queries)
    none = StreamState(
        engine.preset.name,
        torch.zeros(0, 3),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.int64),
        next_id=N,
        fps=fps,
        start=start,
        dtype=_dtype_name(engine),
    )
    return Stream(engine, _with_points(none, queries.txy, list(range(N))), options)


def resume_stream(engine: Engine, path: str | PathLike[str]) -> Stream:
    """Go on from what `Stream.save` wrote; see `Tracker.resume`."""
    if not Path(path).is_file():
        raise FileError(f"no such stream file: {path}")
    memory = engine.model.start(torch.zeros(1, 0, 3))
    features = engine.model.features_type
    kinds = [StreamState, StreamOptions, windows.WindowState, Schedule, Prediction, features]
    content = load(path, engine.device)
    _check_model(content, engine, path)
    try:
        state = unpack(content["state"], [*kinds, *kinds_in(memory)])
        options = unpack(content["options"], kinds)
        _check_state(state, options)
    except Exception as error:  # the content may be anything
        raise FileError(f"{path}: expected a saved stream; {error!r:.200}") from None
    on_cpu = {name: getattr(state, name).cpu() for name in ("txy", "ids", "hidden")}
    return Stream(engine, replace(state, **on_cpu), options)


def _check_model(content: Any, engine: Engine, path: str | PathLike[str]) -> None:
    """Raise `InputError` for a stream of another model or number type, whose features differ."""
    state = content.get("state") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        return  # no saved stream; `unpack` says so
    model, dtype, expected = state.get("model"), state.get("dtype"), _dtype_name(engine)
    if isinstance(model, str) and model != engine.preset.name:
        raise InputError(f"{path}: expected a stream of {engine.preset.name}, got {model}")
    if isinstance(dtype, str) and dtype != expected:
        raise InputError(
            f"{path}: expected a stream in {expected}, got {dtype}; load the model with that dtype"
        )


def _dtype_name(engine: Engine) -> str:
    return str(engine.dtype).removeprefix("torch.")


def _check_state(state: Any, options: Any) -> None:
    """Raise unless the parts of a saved stream fit together."""
    if not isinstance(state, StreamState) or not isinstance(options, StreamOptions):
        raise TypeError(f"got {type(state).__name__} and {type(options).__name__}")
    M = len(Queries(state.txy.cpu().numpy()))
    shapes = {"txy": (M, 3), "ids": (M,), "hidden": (M,)}
    types = {"txy": torch.float32, "ids": torch.int64, "hidden": torch.int64}
    for name, shape in shapes.items():
        value = getattr(state, name)
        if tuple(value.shape) != shape or value.dtype != types[name]:
            raise ValueError(f"{name}: {value.dtype} {list(value.shape)}")
    if state.fps <= 0 or min(state.size or (1, 1)) < 1:
        raise ValueError(f"fps {state.fps}, size {state.size}")
    w = state.windows
    if w is None:
        return
    if tuple(w.queries.shape) != (1, M, 3) or state.size is None:
        raise ValueError(f"queries: {list(w.queries.shape)}")
    if not (0 <= w.first <= w.seen and 0 <= w.emitted <= w.seen):
        raise ValueError(f"frames {w.first}, {w.emitted}, {w.seen}")
    if sum(map(len, w.features)) != w.seen - w.first:
        raise ValueError(f"features of {sum(map(len, w.features))} frames")


def _with_points(state: StreamState, txy: np.ndarray, ids: list[int]) -> StreamState:
    return replace(
        state,
        txy=torch.cat([state.txy, torch.from_numpy(np.array(txy, np.float32))]),
        ids=torch.cat([state.ids, torch.tensor(ids, dtype=torch.int64)]),
        hidden=torch.cat([state.hidden, torch.zeros(len(ids), dtype=torch.int64)]),
    )


def _hidden_for(before: Tensor, visible: Tensor) -> Tensor:
    """Number of frames in a row in which points ``[M]`` are hidden, after frames ``[T, M]``."""
    T = len(visible)
    since = torch.where(visible, torch.arange(T)[:, None], -1).amax(0)  # last visible frame
    return torch.where(since < 0, before + T, T - 1 - since)


def _frame_size(frame: np.ndarray | EncodedFrame) -> tuple[int, int]:
    if isinstance(frame, EncodedFrame):
        return frame.size
    shape: tuple[int, ...] = getattr(frame, "shape", ())
    dtype = getattr(frame, "dtype", type(frame).__name__)
    if len(shape) != 3 or shape[2] != 3 or dtype != np.uint8:
        raise InputError(f"frame: expected RGB uint8 [H, W, 3], got {dtype} {list(shape)}")
    return (shape[1], shape[0])


def _check_size(got: tuple[int, int], size: tuple[int, int] | None) -> tuple[int, int]:
    if size is not None and got != size:
        raise InputError(f"frame: expected {size[0]}x{size[1]} as before, got {got[0]}x{got[1]}")
    return got
