"""The published CoTracker predictors: whole videos, online, and the TAP-Vid benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from motes.common.progress import Progress, silent
from motes.common.registry import suggest
from motes.coordinates import Resize
from motes.errors import InputError
from motes.models.base import Features, PointModel, Prediction
from motes.models.preset import Preset
from motes.queries.mask import read_mask
from motes.queries.points import Points, Queries
from motes.queries.select import frame_range
from motes.tracking.encoded import EncodedVideo
from motes.tracking.engine import Engine
from motes.tracking.official.grids import dense_grids
from motes.tracking.official.rules import (
    LOCAL_EXTENT,
    MODES,
    OFFLINE_ABOVE,
    RULES,
    SIZE,
    SUPPORT_SIDE,
)
from motes.tracking.results import to_model, to_tracks
from motes.tracks import Tracks
from motes.video import Video, open_video


class OfficialTracker:
    """A CoTracker whose `track` gives what a published predictor gives.

    Attributes:
        engine: The model and how it runs.
        mode: One of `MODES`.
        rules: What the published predictor of this version does.
    """

    def __init__(
        self, model: PointModel, preset: Preset, dtype: torch.dtype, mode: str = MODES[0]
    ) -> None:
        """Wrap a CoTracker.

        Raises:
            InputError: There is no such mode, or the model is no CoTracker.
        """
        if mode not in MODES:
            raise suggest(mode, MODES, "compat")
        if type(model) not in RULES:
            raise InputError(f"compat: expected a CoTracker for {mode!r}, got {preset.name}")
        self.engine = Engine(model, preset, dtype)
        self.mode = mode
        self.rules = RULES[type(model)]

    @property
    def model(self) -> PointModel:
        """The bare module, at its own working resolution."""
        return self.engine.model

    @torch.inference_mode()
    def track(
        self,
        video: Any,
        queries: Points | None = None,
        *,
        grid: int | None = None,
        mask: str | PathLike[str] | np.ndarray | None = None,
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
            grid: Instead of `queries`: ``grid x grid`` points spread over frame `at`.  With neither
                the whole image is tracked, as densely as the predictor does.
            mask: Image file or array ``[H, W]``: only the points of a grid inside it are tracked.
            at: Frame of points that name none; by default the first.
            backward: Also track from each query towards the start (``official`` only).
            joint: Whether all queries are tracked together (``official-eval`` only).
            support: Whether a support grid is added: in ``official`` to queries and masked grids,
                in ``official-online`` to queries alone.
            start: First frame to look at.
            end: Frame to stop before; by default the end of the video.
            iterations: How often the model refines; by default as its preset says.
            progress: Called with the number of frames just encoded.

        Returns:
            `Tracks` of the frames ``start .. end - 1``.

        Raises:
            InputError: A query lies outside the image or the frames, a mask has another size, ...
            FileError: The video cannot be read.
        """
        source = open_video(video, start=start, end=end)
        resize = self.rules.resize(source.size)
        inside = None if mask is None else read_mask(mask, source.size)
        groups = self._groups(source, resize, queries, grid, inside, at)
        run = _Run(self, self._features(source, resize, progress or silent), iterations)
        if self.mode == "official-eval":
            prediction = run.benchmark(np.concatenate(groups), joint)
        else:
            offline = self.mode == "official"
            supported = queries is not None or (offline and mask is not None)
            side = SUPPORT_SIDE if support and supported else 0
            prediction = _join([run.predict(group, side, backward and offline) for group in groups])
        points = Queries(_to_video(np.concatenate(groups), resize, source.start))
        return self._tracks(prediction, points, resize, source)

    def _groups(
        self,
        video: Video,
        resize: Resize,
        queries: Points | None,
        grid: int | None,
        inside: np.ndarray | None,
        at: int | None,
    ) -> list[np.ndarray]:
        """Queries in groups ``[N, 3]``: frames from 0, pixels of the model."""
        at = video.start if at is None else at
        if queries is not None:
            points = Queries.of(queries, at)
            points.check(video.size, frame_range(video))
            return [to_model(points, resize, video.start)]
        if at not in frame_range(video):
            raise InputError(f"at: expected a frame of {video.name}, got {at}")
        if grid is not None:
            xy = self.rules.grid(grid, SIZE)
            return [_in_frame(at - video.start, xy if inside is None else xy[_hits(xy, inside)])]
        dense = dense_grids(video.size, self.rules.dense_columns)
        return [_in_frame(at - video.start, resize.points(xy)) for xy in dense]

    def _features(self, video: Video, resize: Resize, progress: Progress) -> Features:
        """Features of all frames."""
        encoded = EncodedVideo(video, lambda frames: self.engine.encode(frames, resize), None)
        parts = []
        for features in encoded.forward():
            parts.append(features)
            progress(len(features))
        return Features.concat(parts)

    def _tracks(
        self, prediction: Prediction, points: Queries, resize: Resize, source: Video
    ) -> Tracks:
        """Thresholds; only the offline predictor puts each query point at its query."""
        if self.mode == "official":
            visible = prediction.visibility > OFFLINE_ABOVE
            return to_tracks(prediction, visible, points, resize, source.fps, source.start, True)
        score, online = prediction.score, self.mode == "official-online"
        above = self.rules.online_above if online else self.rules.eval_above
        return Tracks(
            resize.inverse(prediction.xy[0].cpu().numpy()).transpose(1, 0, 2),
            (score > above)[0].cpu().numpy().T,
            score[0].float().cpu().numpy().T,
            points.txy,
            size=source.size,
            fps=source.fps,
            start=source.start,
        )


class _Run:
    """One model on the features of one video; queries ``[N, 3]`` count frames from 0."""

    def __init__(self, tracker: OfficialTracker, features: Features, iterations: int | None):
        self.engine = tracker.engine
        self.rules = tracker.rules
        self.features = features
        self.iterations = iterations

    def predict(self, queries: np.ndarray, support_side: int, backward: bool) -> Prediction:
        """The offline and online predictors: ``[1, T, N]``."""
        txy = queries
        if support_side:
            txy = np.concatenate([queries, _in_frame(0, self.rules.grid(support_side, SIZE))])
        prediction = self._model(self.features, txy)
        if backward:
            mirrored = txy.copy()
            mirrored[:, 0] = len(self.features) - 1 - txy[:, 0]
            prediction = self._merge(
                prediction, self._model(self.features.reversed(), mirrored), txy
            )
        return prediction.points(slice(len(queries)))

    def benchmark(self, queries: np.ndarray, joint: bool) -> Prediction:
        """The evaluation predictor: all queries at once, or each alone with two grids."""
        everywhere = _in_frame(0, self.rules.grid(self.rules.eval_global, SIZE))
        if joint or not len(queries):
            prediction = self._model(self.features, np.concatenate([queries, everywhere]))
            return prediction.points(slice(len(queries)))
        return _join([self._alone(query, everywhere) for query in queries])

    def _alone(self, query: np.ndarray, everywhere: np.ndarray) -> Prediction:
        side, extent = self.rules.eval_local, (LOCAL_EXTENT, LOCAL_EXTENT)
        around = _in_frame(0, self.rules.grid(side, extent, centre=query[1:]))
        first = int(query[0]) if self.rules.cropped else 0
        moved = _in_frame(int(query[0]) - first, query[None, 1:])
        points = np.concatenate([moved, around, everywhere])
        prediction = self._model(self.features[first:], points).points(slice(1))
        return prediction.map(lambda v: torch.cat([v.new_zeros(1, first, *v.shape[2:]), v], 1))

    def _model(self, features: Features, txy: np.ndarray) -> Prediction:
        """The model; zeros where the published models run no window."""
        model = self.engine.model
        queries = torch.from_numpy(txy.astype(np.float32))[None].to(self.engine.device)
        if model.schedule.window is not None and len(features) <= model.schedule.step:
            return _no_window(len(features), queries, self.rules.confident)
        order = torch.arange(queries.shape[1], device=queries.device)
        if self.rules.first_version:
            order = queries[0, :, 0].sort()[1]  # not stable: ties come in the order of the library
        with self.engine.autocast():
            prediction = model.track(features, queries[:, order], self.iterations)
        return prediction.points(order.argsort())

    def _merge(self, ahead: Prediction, back: Prediction, txy: np.ndarray) -> Prediction:
        """Take early frames, or in the first version exact zeros, from the reversed run."""
        back = back.reversed()
        if self.rules.first_version:
            empty = ahead.xy == 0
            merged = back.where(empty[..., 0], ahead)
            return replace(merged, xy=torch.where(empty, back.xy, ahead.xy))
        frames = torch.arange(len(self.features), device=ahead.xy.device)[:, None]
        early = frames < torch.from_numpy(txy[:, 0]).to(frames.device)
        return back.where(early[None], ahead)


def _hits(xy: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Which points of a grid in the model's frame lie in a mask of the video's size."""
    W, H = SIZE
    rows, columns = (np.arange(n) * m // n for n, m in zip((H, W), inside.shape, strict=True))
    column, row = np.rint(xy).astype(int).T
    return inside[rows][:, columns][row, column]


def _in_frame(t: int, xy: np.ndarray) -> np.ndarray:
    return np.column_stack([np.full(len(xy), t), xy]).astype(np.float32)


def _to_video(txy: np.ndarray, resize: Resize, start: int) -> np.ndarray:
    return np.column_stack([txy[:, 0] + start, resize.inverse(txy[:, 1:])])


def _join(parts: Sequence[Prediction]) -> Prediction:
    """Side by side, along the points."""
    return Prediction.combine(parts, lambda values: torch.cat(values, 2))


def _no_window(frames: int, queries: Tensor, has_confidence: bool) -> Prediction:
    """What the published models answer when a video is too short for them."""
    xy = queries.new_zeros(1, frames, queries.shape[1], 2)
    undecided = torch.full_like(xy[..., 0], 0.5)
    return Prediction(xy, undecided, undecided if has_confidence else None)
