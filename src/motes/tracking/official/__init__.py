"""`compat="official"`: tracking as the published CoTracker predictors do it, number for number.

Three predictors were published, and each has a name here: ``official`` (whole videos),
``official-online`` (as a stream) and ``official-eval`` (the TAP-Vid benchmark).  What differs
between the versions is data, `RULES`.  By default motes does otherwise where this is better:

- support points are placed in the frame of a query, not always in the first frame;
- a video that is not longer than half a window is tracked, instead of answered with zeros;
- the backward pass covers exactly the frames before a query, also where v1 looks for zeros;
- visibility counts as confidence says, also in the offline predictor of v3;
- points of the first version are taken in the order given, also when their frames are equal;
- the margin of a grid follows the height as well as the width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from motes.common.progress import Progress
from motes.common.registry import suggest
from motes.coordinates import Resize
from motes.errors import InputError
from motes.models.base import Features, PointModel, Prediction, concat_predictions
from motes.models.cotracker import CoTracker
from motes.models.cotracker2 import CoTracker2
from motes.models.cotracker3 import CoTracker3
from motes.models.preset import Preset
from motes.queries.mask import read_mask
from motes.queries.points import Queries
from motes.queries.select import frame_range
from motes.tracking.encoded import EncodedVideo
from motes.tracking.official.grids import centred_grid, cornered_grid, dense_grids
from motes.tracking.results import to_model, to_tracks
from motes.tracking.session import Request
from motes.tracking.tracker import Tracker
from motes.tracks import Tracks
from motes.video import Video

MODES = ("official", "official-online", "official-eval")

SIZE = (512, 384)
"""Width and height at which all published predictors run their model."""

SUPPORT_SIDE = 6
"""Side of the support grid of the predictors."""

LOCAL_EXTENT = 50.0
"""Width and height of the grid around a query in the benchmark, in pixels of the model."""


@dataclass(frozen=True)
class Rules:
    """What differs between the published versions.

    Attributes:
        first_version: Frames are scaled edge to edge, grids are computed with whole numbers, and
            the backward pass fills exact zeros.
        online_above: A point is visible in the online predictor above this score.
        eval_above: The same in the benchmark.
        confident: Whether the version knows a confidence; except in the offline predictor it is
            multiplied with the visibility.
        cropped: Whether the benchmark cuts the video off before the query.
        eval_global: Side of the benchmark's grid over the frame.
        eval_local: Side of its grid around the query.
        dense_columns: A dense request takes every n-th pixel, n = width // this.
    """

    first_version: bool = False
    online_above: float = 0.9
    eval_above: float = 0.9
    confident: bool = False
    cropped: bool = True
    eval_global: int = 5
    eval_local: int = 8
    dense_columns: int = 80

    def resize(self, source: tuple[int, int]) -> Resize:
        """From a video of `source` (W, H) pixels to the model."""
        if self.first_version:
            return ScaledResize(source, SIZE)
        return Resize(source, SIZE, corners=True)

    def grid(
        self, side: int, extent: tuple[float, float], centre: np.ndarray | None = None
    ) -> np.ndarray:
        """Regular grid ``[side * side, 2]``; see `centred_grid`."""
        make = cornered_grid if self.first_version else centred_grid
        return make(side, extent, centre)


OFFLINE_ABOVE = 0.9
"""A point is visible in the offline predictor above this visibility."""

RULES: dict[type[PointModel], Rules] = {
    CoTracker: Rules(first_version=True, eval_global=6, eval_local=6, dense_columns=30),
    CoTracker2: Rules(),
    CoTracker3: Rules(online_above=0.6, eval_above=0.6, confident=True, cropped=False),
}


class OfficialTracker(Tracker):
    """A `Tracker` whose `track` gives what a published predictor gives.

    With neither `queries` nor `grid` the whole image is tracked, as densely as the predictor does,
    whatever the number in `dense`; keypoints are refused.  `backward` is for the offline predictor,
    `joint` for the benchmark's, `support` for the other two: the offline one adds a grid to queries
    and masked grids, the online one to queries alone.
    """

    def __init__(
        self, model: PointModel, preset: Preset, dtype: torch.dtype, mode: str = MODES[0]
    ) -> None:
        """Wrap a CoTracker.

        Raises:
            InputError: There is no such mode, or the model is no CoTracker.
        """
        super().__init__(model, preset, dtype)
        if mode not in MODES:
            raise suggest(mode, MODES, "compat")
        if type(model) not in RULES:
            raise InputError(f"compat: expected a CoTracker for {mode!r}, got {preset.name}")
        self.mode = mode
        self.rules = RULES[type(model)]

    @torch.inference_mode()
    def _answer(self, video: Video, asked: Request) -> Tracks:
        if asked.keypoints is not None:
            raise InputError(f"compat: expected queries or a grid for {self.mode!r}, got keypoints")
        resize = self.rules.resize(video.size)
        groups = self._groups(video, resize, asked)
        run = _Run(self, self._features(video, resize, asked.progress), asked.iterations)
        if self.mode == "official-eval":
            found = run.benchmark(np.concatenate(groups), asked.joint)
        else:
            masked = asked.mask is not None and self.mode == "official"
            extra = SUPPORT_SIDE if asked.support and (asked.queries is not None or masked) else 0
            looks_back = asked.backward and self.mode == "official"
            found = _join([run.predict(group, extra, looks_back) for group in groups])
        points = Queries(_to_video(np.concatenate(groups), resize, video.start))
        return self._tracks(found, points, resize, video)

    def session(self, video: Any, *, start: int = 0, end: int | None = None) -> NoReturn:
        """Published predictors have no sessions: always raises `InputError`."""
        raise InputError(f"compat: {self.mode!r} has no session; load the model without compat")

    def stream(self, *args: Any, **options: Any) -> NoReturn:
        """Streams are the default's: always raises `InputError`.

        The results of the online predictor do not depend on how the video is cut, so that `track`
        gives them too.
        """
        raise InputError(f"compat: {self.mode!r} has no stream; load the model without compat")

    def _groups(self, video: Video, resize: Resize, asked: Request) -> list[np.ndarray]:
        """What is asked for, in groups ``[N, 3]``: frames from 0, pixels of the model."""
        at = video.start if asked.at is None else asked.at
        inside = None if asked.mask is None else read_mask(asked.mask, video.size)
        if asked.queries is not None:
            points = Queries.of(asked.queries, at)
            points.check(video.size, frame_range(video))
            return [to_model(points, resize, video.start)]
        if at not in frame_range(video):
            raise InputError(f"at: expected a frame of {video.name}, got {at}")
        if asked.grid is not None:
            xy = self.rules.grid(asked.grid, SIZE)
            return [_in_frame(at - video.start, xy if inside is None else xy[_hits(xy, inside)])]
        dense = dense_grids(video.size, self.rules.dense_columns)
        return [_in_frame(at - video.start, resize.points(xy)) for xy in dense]

    def _features(self, source: Video, resize: Resize, progress: Progress | None) -> Features:
        """Of all frames."""
        encoded = EncodedVideo(source, lambda frames: self.encode(frames, resize), None)
        parts = []
        for features in encoded.forward():
            parts.append(features)
            if progress:
                progress(len(features))
        return Features.concat(parts)

    def _tracks(self, found: Prediction, asked: Queries, resize: Resize, source: Video) -> Tracks:
        """Thresholds; only the offline predictor puts each query point at its query."""
        if self.mode == "official":
            visible = found.visibility > OFFLINE_ABOVE
            return to_tracks(found, visible, asked, resize, source.fps, source.start, True)
        score, online = found.score, self.mode == "official-online"
        above = self.rules.online_above if online else self.rules.eval_above
        return Tracks(
            resize.inverse(found.xy[0].cpu().numpy()).transpose(1, 0, 2),
            (score > above)[0].cpu().numpy().T,
            score[0].float().cpu().numpy().T,
            asked.txy,
            size=source.size,
            fps=source.fps,
            start=source.start,
        )


class _Run:
    """One model on the features of one video; queries ``[N, 3]`` count frames from 0."""

    def __init__(self, tracker: OfficialTracker, features: Features, iterations: int | None):
        self.tracker = tracker
        self.rules = tracker.rules
        self.features = features
        self.iterations = iterations

    def predict(self, queries: np.ndarray, support_side: int, backward: bool) -> Prediction:
        """The offline and online predictors: ``[1, T, N]``."""
        txy = queries
        if support_side:
            txy = np.concatenate([queries, _in_frame(0, self.rules.grid(support_side, SIZE))])
        found = self._model(self.features, txy)
        if backward:
            mirrored = txy.copy()
            mirrored[:, 0] = len(self.features) - 1 - txy[:, 0]
            found = self._merge(found, self._model(self.features.reversed(), mirrored), txy)
        return found.points(slice(len(queries)))

    def benchmark(self, queries: np.ndarray, joint: bool) -> Prediction:
        """The evaluation predictor: all queries at once, or each alone with two grids."""
        everywhere = _in_frame(0, self.rules.grid(self.rules.eval_global, SIZE))
        if joint or not len(queries):
            found = self._model(self.features, np.concatenate([queries, everywhere]))
            return found.points(slice(len(queries)))
        return _join([self._alone(query, everywhere) for query in queries])

    def _alone(self, query: np.ndarray, everywhere: np.ndarray) -> Prediction:
        side, extent = self.rules.eval_local, (LOCAL_EXTENT, LOCAL_EXTENT)
        around = _in_frame(0, self.rules.grid(side, extent, centre=query[1:]))
        first = int(query[0]) if self.rules.cropped else 0
        moved = _in_frame(int(query[0]) - first, query[None, 1:])
        points = np.concatenate([moved, around, everywhere])
        found = self._model(self.features[first:], points).points(slice(1))
        return concat_predictions([_nothing(first, 1, found), found])

    def _model(self, features: Features, txy: np.ndarray) -> Prediction:
        """The model; zeros where the published models run no window."""
        model = self.tracker.model
        queries = torch.from_numpy(txy.astype(np.float32))[None].to(self.tracker.device)
        if model.window is not None and len(features) <= model.step:
            return _no_window(len(features), queries, self.rules.confident)
        order = torch.arange(queries.shape[1], device=queries.device)
        if self.rules.first_version:
            order = queries[0, :, 0].sort()[1]  # not stable: ties come in the order of the library
        with self.tracker.autocast():
            found = model.track(features, queries[:, order], self.iterations)
        return found.points(order.argsort())

    def _merge(self, found: Prediction, back: Prediction, txy: np.ndarray) -> Prediction:
        """Take from the reversed run what the rules say."""
        back = back.reversed()
        if self.rules.first_version:
            early_xy = found.xy == 0
            early = early_xy[..., 0]
        else:
            frames = torch.arange(len(self.features), device=found.xy.device)[:, None]
            early = (frames < torch.from_numpy(txy[:, 0]).to(frames.device))[None]
            early_xy = early[..., None]
        confidence = found.confidence
        if confidence is not None and back.confidence is not None:
            confidence = torch.where(early, back.confidence, confidence)
        return Prediction(
            torch.where(early_xy, back.xy, found.xy),
            torch.where(early, back.visibility, found.visibility),
            confidence,
        )


class ScaledResize(Resize):
    """Frames are resized edge to edge, but coordinates are only scaled (the first version)."""

    def _map(self, xy: np.ndarray, a: tuple[int, int], b: tuple[int, int]) -> np.ndarray:
        return (np.asarray(xy, np.float64) * (np.array(b) / np.array(a))).astype(np.float32)

    def frames(self, frames: Tensor) -> Tensor:
        """Resize frames ``[T, 3, H, W]`` bilinearly; reductions are not anti-aliased."""
        return F.interpolate(frames, self.target[::-1], mode="bilinear", align_corners=False)


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


def _join(found: Sequence[Prediction]) -> Prediction:
    """Side by side, along the points."""
    confidences = [p.confidence for p in found if p.confidence is not None]
    return Prediction(
        torch.cat([p.xy for p in found], 2),
        torch.cat([p.visibility for p in found], 2),
        torch.cat(confidences, 2) if confidences else None,
    )


def _nothing(frames: int, points: int, like: Prediction) -> Prediction:
    """Zeros for the frames before a cut."""
    xy = like.xy.new_zeros(1, frames, points, 2)
    return Prediction(xy, xy[..., 0], None if like.confidence is None else xy[..., 0])


def _no_window(frames: int, queries: Tensor, has_confidence: bool) -> Prediction:
    """What the published models answer when a video is too short for them."""
    xy = queries.new_zeros(1, frames, queries.shape[1], 2)
    undecided = torch.full_like(xy[..., 0], 0.5)
    return Prediction(xy, undecided, undecided if has_confidence else None)
