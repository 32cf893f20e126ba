"""What every model is: features in, predictions out, window by window, with the state outside.

A model file declares `motes.models.preset.Preset` values.  The `Tracker` drives a model
through `PointModel` alone:

    features = model.encode(frames)                 # once per frame, whatever is asked later
    state = model.start(queries)                    # a value: one model serves many videos
    prediction, state = model.advance(state, features_of_the_window, queries, start)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from motes.errors import InputError


@dataclass(frozen=True)
class Features:
    """What a model keeps of frames: levels ``[B, T, ...]``, of ``[C, h, w]`` or ``[h, w, C]``."""

    levels: tuple[Tensor, ...]

    def __len__(self) -> int:
        return self.levels[0].shape[1]

    def __getitem__(self, frames: slice) -> Features:
        return Features(tuple(level[:, frames] for level in self.levels))

    def padded(self, length: int) -> Features:
        """These frames, the last one repeated until there are `length` of them."""
        missing = length - len(self)
        if missing <= 0:
            return self
        last = (level[:, -1:].repeat_interleave(missing, 1) for level in self.levels)
        return Features(tuple(torch.cat(p, 1) for p in zip(self.levels, last, strict=True)))

    def reversed(self) -> Features:
        """The frames in the opposite order."""
        return Features(tuple(level.flip(1) for level in self.levels))

    def expanded(self, count: int) -> Features:
        """The frames of one video for each of `count` videos; nothing is copied."""
        return Features(tuple(level.expand(count, *level.shape[1:]) for level in self.levels))

    def videos(self) -> list[Features]:
        """Each video of the batch alone."""
        B = self.levels[0].shape[0]
        return [Features(tuple(level[b : b + 1] for level in self.levels)) for b in range(B)]

    @staticmethod
    def concat(parts: Sequence[Features]) -> Features:
        """Join consecutive stretches of frames."""
        if len(parts) == 1:
            return parts[0]
        return Features(
            tuple(torch.cat(p, 1) for p in zip(*(part.levels for part in parts), strict=True))
        )


@dataclass(frozen=True)
class Prediction:
    """Where the points are in the frames of a window (or of a whole video).

    Attributes:
        xy: float32 ``[B, T, N, 2]``, in pixels of the model's input.
        visibility: float32 ``[B, T, N]``, a probability.
        confidence: float32 ``[B, T, N]``, a probability; None where the architecture has none.
        aux: In training mode what the losses need: from `PointModel.advance` one `Trace`, from
            `PointModel.track` a tuple of them, one a window.  None in evaluation mode.
    """

    xy: Tensor
    visibility: Tensor
    confidence: Tensor | None = None
    aux: Any = None

    def __getitem__(self, frames: slice) -> Prediction:
        confidence = None if self.confidence is None else self.confidence[:, frames]
        return Prediction(self.xy[:, frames], self.visibility[:, frames], confidence, self.aux)

    @property
    def score(self) -> Tensor:
        """How sure the model is that the point can be seen here, ``[B, T, N]``."""
        return self.visibility if self.confidence is None else self.visibility * self.confidence

    def points(self, chosen: Tensor | slice) -> Prediction:
        """Only these points (indices, mask or slice)."""
        return self._map(lambda v: v[:, :, chosen])

    def reversed(self) -> Prediction:
        """The frames in the opposite order."""
        return self._map(lambda v: v.flip(1))

    def where(self, chosen: Tensor, other: Prediction) -> Prediction:
        """This one where `chosen`, bool ``[B, T, N]``, is true; `other` elsewhere."""
        sure = None
        if self.confidence is not None and other.confidence is not None:
            sure = torch.where(chosen, self.confidence, other.confidence)
        xy = torch.where(chosen[..., None], self.xy, other.xy)
        return Prediction(xy, torch.where(chosen, self.visibility, other.visibility), sure)

    def grown(self, count: int) -> Prediction:
        """With more points, of which nothing is said yet: zeros."""
        return self._map(
            lambda v: torch.cat([v, v.new_zeros(*v.shape[:2], count, *v.shape[3:])], 2)
        )

    def _map(self, change: Callable[[Tensor], Tensor]) -> Prediction:
        sure = None if self.confidence is None else change(self.confidence)
        return Prediction(change(self.xy), change(self.visibility), sure)


@dataclass(frozen=True)
class Trace:
    """All refinements of one window, in order, for the losses.

    Attributes:
        start: Number of the window's first frame.
        xy: Per iteration (or decoder layer) ``[B, S, N, 2]``.
        visibility: Per iteration logits ``[B, S, N]`` (one entry, if predicted once per window).
        confidence: Per iteration logits ``[B, S, N]``; empty where the architecture has none.
    """

    start: int
    xy: tuple[Tensor, ...]
    visibility: tuple[Tensor, ...]
    confidence: tuple[Tensor, ...] = ()


S = TypeVar("S", bound="State")


@dataclass(frozen=True)
class State:
    """What one window hands to the next.  Every tensor has the point axis second: ``[B, N, ...]``.

    A subclass adds tensors (or tuples of tensors) and plain numbers; `select` and `grow` see to
    all of them, so that points can leave and join in mid-stream.
    """

    def select(self: S, points: Tensor) -> S:
        """Keep only these points (indices or mask)."""
        return self._map(lambda v: v[:, points])

    def grow(self: S, count: int) -> S:
        """Add points that have no history: zeros."""

        def extend(v: Tensor) -> Tensor:
            return torch.cat([v, v.new_zeros(v.shape[0], count, *v.shape[2:])], 1)

        return self._map(extend)

    def _map(self: S, change: Callable[[Tensor], Tensor]) -> S:
        def apply(v: Any) -> Any:
            if isinstance(v, Tensor):
                return change(v)
            return tuple(apply(u) for u in v) if isinstance(v, tuple) else v

        return replace(self, **{f.name: apply(getattr(self, f.name)) for f in fields(self)})


class PointModel(nn.Module, ABC):
    """A point tracker at its own working resolution.

    Attributes:
        window: Frames that are refined together; None: the whole video at once.
        step: Frames from one window to the next.  The first `step` frames of a window are final
            once it has been processed; the others are refined again by the next window.
        stride: Height and width of the input must be multiples of it.
        iterations: How often positions are refined by default; None where that means nothing.
        stitched: Whether windows were not made to follow each other: where two overlap, the surer
            answer counts, not the later one.
        joint: Whether points see each other, so that the answer for one depends on the others.
        point_bytes: Working memory per point and frame of a window, at most, as measured.
        remembers: Bytes of what it finds on the way and keeps for the next question, at most.
    """

    window: int | None = None
    step: int = 1
    stride: int = 1
    iterations: int | None = None
    stitched: bool = False
    joint: bool = True
    point_bytes: int = 60_000
    remembers: int = 0

    @property
    def iterated(self) -> tuple[nn.Module, ...]:
        """What every iteration runs and `torch.compile` makes faster; empty where nothing is."""
        return ()

    @property
    def final(self) -> int:
        """How many frames of a window no later window can change."""
        return self.step

    @abstractmethod
    def encode(self, video: Tensor) -> Features:
        """Features of frames ``[B, T, 3, H, W]`` in [0, 1]; frames do not influence each other."""

    @abstractmethod
    def start(self, queries: Tensor) -> Any:
        """The state before the first window, for queries ``[B, N, 3]``: a `State`."""

    def begin(self, queries: Tensor, num_frames: int | None = None) -> Any:
        """As `start`, for a video whose length may be known; most models need not know it."""
        return self.start(queries)

    @abstractmethod
    def advance(
        self,
        state: Any,
        features: Features,
        queries: Tensor,
        start: int,
        iterations: int | None = None,
    ) -> tuple[Prediction, Any]:
        """Track through one window.

        Args:
            state: From `start`, or from the window before.
            features: Of the frames ``start, start + 1, ...``: at most `window` of them (any number,
                if `window` is None).  Fewer only at the end of a video.
            queries: ``[B, N, 3]`` (t, x, y); t counts frames of the video, not of the window.
            start: Number of the first frame.
            iterations: How often to refine; None: the model's default.

        Returns:
            The prediction for exactly the frames given, and the state for the next window.
        """

    def windowed(self) -> PointModel:
        """The same model with windows, for videos that are too long to be seen whole.

        Raises:
            InputError: The model sees only whole videos.
        """
        if self.window is None:
            raise InputError(f"{type(self).__name__} sees only whole videos; this one is too long")
        return self

    def remember(self, size: int) -> None:
        """Keep no more than so many bytes for the next question."""

    def windows(self, num_frames: int) -> list[int]:
        """First frames of the windows that cover a video of `num_frames` frames."""
        if self.window is None or num_frames <= self.window:
            return [0]
        extra = -(-(num_frames - self.window) // self.step)
        return [i * self.step for i in range(extra + 1)]

    def forward(self, video: Tensor, queries: Tensor, iterations: int | None = None) -> Prediction:
        """Track points through a whole video.

        Args:
            video: float32 ``[B, T, 3, H, W]`` in [0, 1]; H and W multiples of the stride.
            queries: float32 ``[B, N, 3]`` (t, x, y), pixels of `video`.
            iterations: How often to refine; None: the model's default.

        Returns:
            The `Prediction` for all T frames.

        Raises:
            InputError: A shape does not fit.
        """
        self.check(video, queries)
        return self.track(self.encode(video), queries, iterations)

    def track(
        self,
        features: Features,
        queries: Tensor,
        iterations: int | None = None,
    ) -> Prediction:
        """Track points through frames that are encoded already: all windows in order."""
        T, done = len(features), []
        state = self.begin(queries, T)
        starts = self.windows(T)
        for start, following in zip(starts, [*starts[1:], T], strict=True):
            window = features[start : start + (self.window or T)]
            prediction, state = self.advance(state, window, queries, start, iterations)
            done.append(prediction[: following - start])
        return concat_predictions(done)

    def check(self, video: Tensor, queries: Tensor) -> None:
        """Raise `InputError` unless the shapes fit this model."""
        if video.ndim != 5 or video.shape[2] != 3 or video.shape[1] < 1:
            raise InputError(f"video: expected [B, T, 3, H, W], got {list(video.shape)}")
        H, W = video.shape[-2:]
        if H % self.stride or W % self.stride:
            raise InputError(f"video: expected H and W as multiples of {self.stride}, got {H}x{W}")
        B = video.shape[0]
        if queries.ndim != 3 or queries.shape[::2] != (B, 3):
            raise InputError(f"queries: expected [{B}, N, 3], got {list(queries.shape)}")


def concat_predictions(parts: Sequence[Prediction]) -> Prediction:
    """Join predictions of consecutive frames."""
    confidences = [p.confidence for p in parts if p.confidence is not None]
    traces = tuple(p.aux for p in parts if p.aux is not None)
    return Prediction(
        torch.cat([p.xy for p in parts], 1),
        torch.cat([p.visibility for p in parts], 1),
        torch.cat(confidences, 1) if confidences else None,
        traces or None,
    )
