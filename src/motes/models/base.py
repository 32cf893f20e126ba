"""The contract of every model: features in, predictions out, window by window, state outside.

A model file declares `motes.models.preset.Preset` values.  Trackers drive a model through
`PointModel` alone:

    features = model.encode(frames)                 # once per frame
    state = model.start(queries)                    # a value: one model serves many videos
    prediction, state = model.advance(state, features_of_the_window, queries, start)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import itemgetter
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import Tensor, nn

from motes.errors import InputError

TensorMap = Callable[[Tensor], Tensor]
F = TypeVar("F", bound="Features")


def map_tensors(value: Any, change: TensorMap) -> Any:
    """Apply a function to a tensor, or to all tensors in a tuple; other values stay.

    Example:
        >>> import torch
        >>> from motes.models.base import map_tensors
        >>> map_tensors((torch.ones(2), 3), lambda tensor: tensor * 2)
        (tensor([2., 2.]), 3)
    """
    if isinstance(value, Tensor):
        return change(value)
    return tuple(map_tensors(v, change) for v in value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Features:
    """What a model keeps of frames.

    A subclass names its fields: tensors ``[B, T, ...]``, or tuples of such tensors.

    Example:
        >>> import torch
        >>> from motes.models.base import FeatureMaps
        >>> levels = torch.zeros(1, 12, 18, 24, 8), torch.zeros(1, 12, 9, 12, 8)
        >>> features = FeatureMaps(levels)
        >>> len(features), len(features[2:5])
        (12, 3)
    """

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, in the order of the fields."""
        found: list[Tensor] = []
        self.map(lambda v: found.append(v) or v)  # type: ignore[func-returns-value]
        return found

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(v.nbytes for v in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[1]

    def __getitem__(self, frames: slice) -> Self:
        return self.map(lambda v: v[:, frames])

    def map(self, change: TensorMap) -> Self:
        """The same kind of features, with each tensor changed."""
        changes = {f.name: map_tensors(getattr(self, f.name), change) for f in fields(self)}
        return replace(self, **changes)

    def padded(self, length: int) -> Self:
        """These frames, the last one repeated until there are `length` of them."""
        missing = length - len(self)
        if missing <= 0:
            return self
        return self.map(lambda v: torch.cat([v, v[:, -1:].repeat_interleave(missing, 1)], 1))

    def reversed(self) -> Self:
        """The frames in the opposite order."""
        return self.map(lambda v: v.flip(1))

    def expanded(self, count: int) -> Self:
        """The frames of one video for each of `count` videos; nothing is copied."""
        return self.map(lambda v: v.expand(count, *v.shape[1:]))

    def videos(self) -> list[Self]:
        """Each video of the batch as features of its own."""
        return [self.map(itemgetter(slice(b, b + 1))) for b in range(len(self.tensors[0]))]

    @staticmethod
    def concat(parts: Sequence[F]) -> F:
        """Join consecutive stretches of frames."""
        if len(parts) == 1:
            return parts[0]
        joined = iter([torch.cat(v, 1) for v in zip(*(p.tensors for p in parts), strict=True)])
        return parts[0].map(lambda _: next(joined))


@dataclass(frozen=True)
class FeatureMaps(Features):
    """A pyramid of feature maps.

    Attributes:
        levels: Per level ``[B, T, h, w, C]`` (CoTracker) or ``[B, T, C, h, w]`` (TAPTR), the finest
            first.

    Example:
        >>> import torch
        >>> from motes.models.base import FeatureMaps
        >>> levels = torch.zeros(1, 12, 18, 24, 8), torch.zeros(1, 12, 9, 12, 8)
        >>> features = FeatureMaps(levels)
        >>> features.reversed().levels[1].shape
        torch.Size([1, 12, 9, 12, 8])
    """

    levels: tuple[Tensor, ...]


@dataclass(frozen=True)
class Prediction:
    """Positions of points in the frames of a window (or of a whole video).

    Attributes:
        xy: float32 ``[B, T, N, 2]``, in pixels of the model's input.
        visibility: float32 ``[B, T, N]``, a probability.
        confidence: float32 ``[B, T, N]``, a probability; None where the architecture has none.
        aux: In training mode what the losses need: from `PointModel.advance` one `Trace`, from
            `PointModel.track` a tuple of them, one per window.  None in evaluation mode.

    Example:
        >>> import torch
        >>> from motes.models.base import Prediction
        >>> prediction = Prediction(torch.zeros(1, 12, 4, 2), torch.full((1, 12, 4), 0.8))
        >>> prediction[:5].xy.shape, prediction.confidence is None
        (torch.Size([1, 5, 4, 2]), True)
        >>> round(float(prediction.score.mean()), 2)
        0.8
    """

    xy: Tensor
    visibility: Tensor
    confidence: Tensor | None = None
    aux: Any = None

    def __getitem__(self, frames: slice) -> Prediction:
        return replace(self.map(lambda v: v[:, frames]), aux=self.aux)

    @property
    def tensors(self) -> list[Tensor]:
        """Positions, visibility, and confidence where there is one."""
        given = (self.xy, self.visibility, self.confidence)
        return [v for v in given if v is not None]

    @property
    def score(self) -> Tensor:
        """Visibility, times confidence where there is one: ``[B, T, N]``."""
        return self.visibility if self.confidence is None else self.visibility * self.confidence

    @property
    def reported_confidence(self) -> Tensor:
        """Confidence, or visibility where the architecture has no confidence: ``[B, T, N]``."""
        return self.visibility if self.confidence is None else self.confidence

    def map(self, change: TensorMap) -> Prediction:
        """The prediction with each tensor changed, without `aux`."""
        return Prediction(*map(change, self.tensors))

    @staticmethod
    def combine(
        parts: Sequence[Prediction], join: Callable[[tuple[Tensor, ...]], Tensor]
    ) -> Prediction:
        """One prediction from several of the same model, field by field, without `aux`."""
        return Prediction(*map(join, zip(*(p.tensors for p in parts), strict=True)))

    def points(self, chosen: Tensor | slice) -> Prediction:
        """Only these points (indices, mask or slice)."""
        return self.map(lambda v: v[:, :, chosen])

    def reversed(self) -> Prediction:
        """The frames in the opposite order."""
        return self.map(lambda v: v.flip(1))

    def where(self, chosen: Tensor, other: Prediction) -> Prediction:
        """This one where `chosen`, bool ``[B, T, N]``, is true; `other` elsewhere."""

        def choose(pair: tuple[Tensor, ...]) -> Tensor:
            mine, others = pair
            mask = chosen[..., None] if mine.ndim > chosen.ndim else chosen
            return torch.where(mask, mine, others)

        return Prediction.combine([self, other], choose)

    def grown(self, count: int) -> Prediction:
        """With `count` more points, filled with zeros."""
        return self.map(lambda v: torch.cat([v, v.new_zeros(*v.shape[:2], count, *v.shape[3:])], 2))


def concat_predictions(parts: Sequence[Prediction]) -> Prediction:
    """Join predictions of consecutive frames.

    Example:
        >>> import torch
        >>> from motes.models.base import Prediction, concat_predictions
        >>> prediction = Prediction(torch.zeros(1, 12, 4, 2), torch.full((1, 12, 4), 0.8))
        >>> concat_predictions([prediction[:5], prediction[5:]]).xy.shape
        torch.Size([1, 12, 4, 2])
    """
    traces = tuple(p.aux for p in parts if p.aux is not None)
    joined = Prediction.combine(parts, lambda values: torch.cat(values, 1))
    return replace(joined, aux=traces or None)


@dataclass(frozen=True)
class Trace:
    """All refinements of one window, in order, for the losses.

    Attributes:
        start: Number of the window's first frame.
        xy: Per iteration (or decoder layer) ``[B, S, N, 2]``.
        visibility: Per iteration logits ``[B, S, N]`` (one entry, if predicted once per window).
        confidence: Per iteration logits ``[B, S, N]``; empty where the architecture has none.

    Example:
        >>> import torch
        >>> from motes.models.base import Trace
        >>> trace = Trace(0, xy=(torch.zeros(1, 8, 4, 2),) * 3, visibility=(torch.zeros(1, 8, 4),))
        >>> len(trace.xy)  # refinements
        3
    """

    start: int
    xy: tuple[Tensor, ...]
    visibility: tuple[Tensor, ...]
    confidence: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class State:
    """What one window hands to the next.  Every tensor has the point axis second: ``[B, N, ...]``.

    A subclass adds tensors (or tuples of tensors) and plain numbers; `select` and `grow` change all
    tensors, so that points can leave and join in mid-stream.

    Example:
        >>> import torch
        >>> state = tracker.model.start(torch.tensor([[[0.0, 30, 20], [0, 50, 40]]]))
        >>> type(state.select(torch.tensor([0]))) is type(state)
        True
    """

    def select(self, points: Tensor) -> Self:
        """Keep only these points (indices or mask)."""
        return self._map(lambda v: v[:, points])

    def grow(self, count: int) -> Self:
        """Add `count` points without history: zeros."""
        return self._map(lambda v: torch.cat([v, v.new_zeros(v.shape[0], count, *v.shape[2:])], 1))

    def _map(self, change: TensorMap) -> Self:
        changes = {f.name: map_tensors(getattr(self, f.name), change) for f in fields(self)}
        return replace(self, **changes)


@dataclass(frozen=True)
class Schedule:
    """How windows cover a video.

    Attributes:
        window: Frames that are refined together; None: the whole video at once.
        step: Frames from one window to the next.
        final: Frames of a window that no later window changes.
        full_last: Move the last window back, so that it is full.
        by_confidence: Merge overlapping windows by confidence, not by recency.
        early: Predict every `step` frames before the first window is full, too.

    Example:
        >>> from motes.models.base import Schedule
        >>> Schedule(window=16, step=8, final=8).starts(num_frames=40)
        [0, 8, 16, 24]
        >>> Schedule(window=16, step=8, final=8).with_latency(1).step
        1
    """

    window: int | None = None
    step: int = 1
    final: int = 1
    full_last: bool = False
    by_confidence: bool = False
    early: bool = False

    @property
    def released(self) -> int:
        """Frames of a window whose features no later window needs."""
        return 1 if self.full_last else self.step

    def starts(self, num_frames: int) -> list[int]:
        """First frames of the windows that cover a video of `num_frames` frames."""
        last = num_frames - (self.window or num_frames)
        if last <= 0:
            return [0]
        if self.full_last:
            return [*range(0, last, self.step), last]
        return [*range(0, last + self.step, self.step)]

    def with_latency(self, latency: int) -> Schedule:
        """Windows that advance by `latency` frames, each of them final at once.

        Raises:
            InputError: `latency` is not between 1 and `step`; windows that are further apart
                overlap less than the model was made for, or not at all.
        """
        if not 1 <= latency <= self.step:
            raise InputError(f"latency: expected 1 to {self.step} frames, got {latency}")
        return replace(self, step=latency, final=self.window or 1, early=True)


class PointModel(nn.Module, ABC):
    """A point tracker at its own working resolution.

    Attributes:
        features_type: Class of what `encode` returns.
        schedule: How windows cover a video.
        stride: Pixels per cell of the finest feature map.
        multiple: Height and width of the input must be multiples of it.
        iterations: Number of refinements by default; None where there are none to choose.
        joint: Whether points attend to each other, so that the result of one depends on the others.
        point_bytes: Working memory per point and frame of a window, at most, as measured.
        pixel_bytes: Working memory per pixel of the input, at most, as measured.
        cache_bytes: Upper bound of what `new_cache` holds, in bytes; 0: the model needs no cache.
        look_back: Number of frames before a new one that `prepare_ahead` reads.
        settings: Fields of the configuration that belong to the weights: `save_weights` writes them
            into the file, and `load_weights` sets them where the configuration has None.

    Example:
        >>> import torch
        >>> frames = torch.from_numpy(motes.open_video("bike.mp4")[:])
        >>> video = frames.permute(0, 3, 1, 2)[None] / 255
        >>> prediction = tracker.model(video, torch.tensor([[[0.0, 30, 20]]]))
        >>> prediction.xy.shape, prediction.visibility.shape
        (torch.Size([1, 12, 1, 2]), torch.Size([1, 12, 1]))
    """

    features_type: ClassVar[type[Features]] = FeatureMaps
    schedule: Schedule
    stride: int = 1
    multiple: int = 1
    iterations: int | None = None
    joint: bool = True
    point_bytes: int = 60_000
    pixel_bytes: int = 0
    cache_bytes: int = 0
    look_back: int = 0
    settings: Mapping[str, str] = MappingProxyType({})

    @property
    def iterated(self) -> tuple[nn.Module, ...]:
        """Modules that run in every iteration, which `torch.compile` makes faster; may be empty."""
        return ()

    def new_cache(self, limit: int) -> Any:
        """A cache for intermediate results that depend on frames only, owned by the caller.

        A session or a stream passes the same cache to all its calls of `advance`; the results do
        not depend on it.

        Args:
            limit: Bytes that it may hold.

        Returns:
            The cache; None for models that need none.  Its `entries` are a dictionary that may go
            to another process, where `update` adds them to a cache of the same model;
            `cancel_ahead` ends what `prepare_ahead` has begun.
        """
        return None

    def prepare(self, features: Any, start: int, cache: Any) -> None:
        """Fill a cache ahead with what one window needs of it, as far as no point matters.

        Windows may be prepared in any order and in any process; the results of `advance` do not
        depend on it.  By default there is nothing to prepare.

        Args:
            features: As for `advance`.
            start: As for `advance`.
            cache: From `new_cache`.
        """
        return

    def prepare_ahead(self, frames: Sequence[Any], new: int, cache: Any) -> None:
        """Begin to fill a cache with what the next windows need of new frames, in the background.

        The results of `advance` do not depend on it.  By default there is nothing to prepare.

        Args:
            frames: `Features` of the last frames that came in, at least `look_back` and the new
                ones, or all since the start of the video, in consecutive stretches.
            new: Number of the new ones, which are the last.
            cache: From `new_cache`.
        """
        return

    @abstractmethod
    def encode(self, video: Tensor) -> Any:
        """Encode frames, each independently of the others.

        Args:
            video: float32 ``[B, T, 3, H, W]`` in [0, 1].

        Returns:
            `Features` of the T frames, of type `features_type`.
        """

    @abstractmethod
    def start(
        self, queries: Tensor, num_frames: int | None = None, schedule: Schedule | None = None
    ) -> Any:
        """The state before the first window.

        Args:
            queries: ``[B, N, 3]`` (t, x, y).
            num_frames: Length of the video; None: not known.
            schedule: How windows will follow each other; None: as the model's own `schedule`.

        Returns:
            A `State`.
        """

    @abstractmethod
    def advance(
        self,
        state: Any,
        features: Any,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
        cache: Any = None,
    ) -> tuple[Prediction, Any]:
        """Track through one window.

        Args:
            state: From `start`, or from the window before.
            features: `Features` of the frames ``start, start + 1, ...``: as many as the window has
                (any number without windows).  Fewer only at the end of a video.
            queries: ``[B, N, 3]`` (t, x, y); t counts frames of the video, not of the window.
            start: Number of the first frame.
            iterations: Number of refinements; None: the model's default.
            cache: From `new_cache`; None: nothing is shared between windows.

        Returns:
            The prediction for exactly the frames given, and the state for the next window.
        """

    def windowed(self) -> Schedule:
        """A schedule with windows, for videos that are too long to be processed at once.

        Raises:
            InputError: The model processes only whole videos.
        """
        if self.schedule.window is None:
            raise InputError(f"{type(self).__name__} tracks only whole videos; this is too long")
        return self.schedule

    def forward(self, video: Tensor, queries: Tensor, iterations: int | None = None) -> Prediction:
        """Track points through a whole video.

        Args:
            video: float32 ``[B, T, 3, H, W]`` in [0, 1]; H and W multiples of `multiple`.
            queries: float32 ``[B, N, 3]`` (t, x, y), pixels of `video`.
            iterations: Number of refinements; None: the model's default.

        Returns:
            The `Prediction` for all T frames.

        Raises:
            InputError: A shape does not fit.
        """
        self.check(video, queries)
        return self.track(self.encode(video), queries, iterations)

    def track(
        self,
        features: Any,
        queries: Tensor,
        iterations: int | None = None,
        schedule: Schedule | None = None,
        cache: Any = None,
    ) -> Prediction:
        """Track points through frames that are encoded already: all windows in order.

        Args:
            features: `Features` of T frames.
            queries: float32 ``[B, N, 3]`` (t, x, y), pixels of the model.
            iterations: Number of refinements; None: the model's default.
            schedule: How windows follow each other; None: as the model's own `schedule`.
            cache: From `new_cache`; None: one for this call.

        Returns:
            The `Prediction` for all T frames.
        """
        schedule, T, done = schedule or self.schedule, len(features), []
        cache = self.new_cache(self.cache_bytes) if cache is None else cache
        state, starts = self.start(queries, T, schedule), schedule.starts(T)
        for start, following in zip(starts, [*starts[1:], T], strict=True):
            window = features[start : start + (schedule.window or T)]
            prediction, state = self.advance(state, window, queries, start, iterations, cache)
            done.append(prediction[: following - start])
        return concat_predictions(done)

    def check(self, video: Tensor, queries: Tensor) -> None:
        """Raise `InputError` unless the shapes fit this model."""
        if video.ndim != 5 or video.shape[2] != 3 or video.shape[1] < 1:
            raise InputError(f"video: expected [B, T, 3, H, W], got {list(video.shape)}")
        H, W = video.shape[-2:]
        if H % self.multiple or W % self.multiple:
            raise InputError(
                f"video: expected H and W as multiples of {self.multiple}, got {H}x{W}"
            )
        B = video.shape[0]
        if queries.ndim != 3 or queries.shape[::2] != (B, 3):
            raise InputError(f"queries: expected [{B}, N, 3], got {list(queries.shape)}")
