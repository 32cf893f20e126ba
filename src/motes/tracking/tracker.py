"""`Tracker`: a model plus everything between it and the user.

Resizing there and back, windows, support points, thresholds, backward tracking, devices and
number types live here and in `Session` and `Stream`; models know none of them.
"""

from __future__ import annotations

from fractions import Fraction
from os import PathLike
from typing import Any

import torch

from motes.common.progress import Progress
from motes.models.base import PointModel
from motes.models.preset import Preset
from motes.queries.mask import Mask
from motes.queries.points import Points, Queries
from motes.tracking.engine import Engine
from motes.tracking.session import Request, Session
from motes.tracking.stream import Stream, StreamOptions, begin_stream, resume_stream
from motes.tracks import DEFAULT_FPS, Tracks
from motes.video import open_video


class Tracker:
    """Tracks points through videos with one model.

    Attributes:
        engine: The model and how it runs.

    Example:
        >>> tracker = motes.load("lk")
        >>> tracker
        Tracker('lk', device='cpu', dtype=torch.float32)
        >>> tracker.track("bike.mp4", grid=3)
        Tracks(9 points, frames 0..11, 96x72, 25 fps, 100% visible)
    """

    def __init__(
        self,
        model: PointModel,
        preset: Preset,
        dtype: torch.dtype = torch.float32,
        memory: int | None = None,
    ) -> None:
        """Wrap a model.

        Args:
            model: The bare module, on its device.
            preset: Name, resize rule, thresholds and support points of the model.
            dtype: Number type of features and attention.
            memory: Bytes that tracking may take; None: a share of what is free.
        """
        self.engine = Engine(model, preset, dtype, memory)

    def __repr__(self) -> str:
        return f"Tracker({self.preset.name!r}, device={str(self.device)!r}, dtype={self.dtype})"

    @property
    def model(self) -> PointModel:
        """The bare module, at its own working resolution."""
        return self.engine.model

    @property
    def preset(self) -> Preset:
        """Name, resize rule, thresholds and support points of the model."""
        return self.engine.preset

    @property
    def dtype(self) -> torch.dtype:
        """Number type of features and attention."""
        return self.engine.dtype

    @property
    def device(self) -> torch.device:
        """Device of the model (the CPU, if it has no parameters)."""
        return self.engine.device

    def track(
        self,
        video: Any,
        queries: Points | None = None,
        *,
        grid: int | tuple[int, int] | None = None,
        corners: int | None = None,
        dense: int | None = None,
        mask: Mask | None = None,
        at: int | None = None,
        backward: bool = False,
        joint: bool = True,
        support: bool = True,
        start: int = 0,
        end: int | None = None,
        iterations: int | None = None,
        progress: Progress | None = None,
    ) -> Tracks:
        """Track points through a video.

        Args:
            video: Anything that `motes.open_video` opens.
            queries: Rows ``(t, x, y)``, or ``(x, y)`` in frame `at`; pixels of the video.
            grid: Instead of `queries`: ``grid x grid`` or ``(columns, rows)`` points spread over
                frame `at`.
            corners: Instead of `queries`: the N strongest corners of frame `at`.
            dense: Instead of `queries`: every pixel of frame `at`, or every `dense`-th in both
                directions, in parts if they do not fit into memory together.
            mask: Image file, array or tensor ``[H, W]``, ...: only points inside it are tracked
                (see `motes.queries.mask.read_mask`).
            at: Frame of points without a frame number; by default the first.
            backward: Also track from each query towards the start of the video.
            joint: Whether points may attend to each other; if not, each is tracked independently
                (the independent queries of the TAP-Vid benchmark).
            support: Whether a joint model gets support points when there are few queries.
            start: First frame to track through.
            end: Frame to stop before; by default the end of the video.
            iterations: Number of refinements of an iterative model; by default the preset's.
            progress: Called with the number of frames just finished, in every pass.

        Returns:
            `Tracks` of the frames ``start .. end - 1``.  Each query point is exact and visible,
            with confidence 1.  Frames before a query are hidden, unless tracked backward.

        Raises:
            InputError: A query lies outside the image or the frames, a mask has another size, ...
            FileError: The video cannot be read.

        Example:
            >>> tracks = tracker.track("bike.mp4", [(0, 30, 20), (4, 60, 40.5)])
            >>> tracks.visible.sum(1).tolist()
            [12, 8]
            >>> tracker.track("bike.mp4", grid=(8, 6), mask="mask.png", backward=True).num_points
            6
        """
        source = open_video(video, start=start, end=end)
        request = Request(
            queries,
            grid=grid,
            corners=corners,
            dense=dense,
            mask=mask,
            at=at,
            backward=backward,
            joint=joint,
            support=support,
            iterations=iterations,
            progress=progress,
        )
        one_pass = joint and not backward
        return Session(self.engine, source, keep=not one_pass).run(request)

    def session(self, video: Any, *, start: int = 0, end: int | None = None) -> Session:
        """Open a video for many requests: its frames are encoded once.

        Args:
            video: Anything that `motes.open_video` opens.
            start: First frame to track through.
            end: Frame to stop before; by default the end of the video.

        Returns:
            The session; ``session.track(...)`` takes what `track` takes.

        Example:
            >>> session = tracker.session("bike.mp4")
            >>> session.track([(0, 30, 20)]).num_points, session.track([(3, 50, 40)]).num_points
            (1, 1)
        """
        return Session(self.engine, open_video(video, start=start, end=end))

    def stream(
        self,
        queries: Points = (),
        *,
        at: int = 0,
        fps: Fraction = DEFAULT_FPS,
        start: int = 0,
        latency: int | None = None,
        support: bool = True,
        iterations: int | None = None,
        memory: int = 0,
    ) -> Stream:
        """Track points through frames that come one by one.

        Args:
            queries: Rows ``(t, x, y)``, or ``(x, y)`` in frame `at`; more with `Stream.add`.
            at: Frame of rows without a frame number.
            fps: Frame rate of the tracks.
            start: Number of the first frame.
            latency: Upper bound of the delay in frames (1: no delay): the last window is refined
                again whenever `latency` frames are new; at most the step of the model's windows.
                By default a frame comes out when no later window can change it.
            support: Whether a joint model gets support points when there are few queries.
            iterations: Number of refinements of an iterative model; by default the preset's.
            memory: Minimum number of frames that `Stream.look_back` can go back.

        Returns:
            The stream.

        Raises:
            InputError: The latency does not fit the model.

        Example:
            >>> stream = tracker.stream([(30, 20)], latency=1)
            >>> with motes.open_video("bike.mp4") as camera:
            ...     parts = [part for frame in camera for part in stream.push(frame)]
            >>> motes.Tracks.concat_frames(parts).xy.shape
            (1, 12, 2)
        """
        options = StreamOptions(latency, support, iterations, memory)
        return begin_stream(self.engine, Queries.of(queries, at), fps, start, options)

    def resume(self, path: str | PathLike[str]) -> Stream:
        """Continue a stream that `Stream.save` wrote.

        Raises:
            FileError: There is no such file, or it is not a saved stream.
            InputError: The stream was made with another model or in another number type.

        Example:
            >>> stream = tracker.stream([(30, 20)])
            >>> stream.save("stream.pt")
            >>> tracker.resume("stream.pt").ids
            [0]
        """
        return resume_stream(self.engine, path)
