"""Between the pixels of a model and the `Queries` and `Tracks` of the user."""

from fractions import Fraction

import numpy as np
from torch import Tensor

from motes.coordinates import Resize
from motes.models.base import Prediction
from motes.queries.points import Queries
from motes.tracks import Tracks


def to_model(points: Queries, resize: Resize, start: int) -> np.ndarray:
    """Queries for a model: float32 ``[N, 3]``, frames from 0, pixels of the model.

    Args:
        points: In pixels of the video.
        resize: From the video to the model.
        start: Number of the frame that the model counts as 0.
    """
    return np.hstack([points.txy[:, :1] - start, resize.points(points.xy)]).astype(np.float32)


def to_tracks(
    prediction: Prediction,
    visible: Tensor,
    points: Queries,
    resize: Resize,
    fps: Fraction,
    start: int,
    everywhere: bool,
    ids: np.ndarray | None = None,
) -> Tracks:
    """Make `Tracks` in which each query point is exact and visible, with confidence 1.

    Args:
        prediction: Of N points in T frames, ``[1, T, N]``, in pixels of the model.
        visible: bool ``[1, T, N]``.
        points: The N queries, in pixels of the video.
        resize: From the video to the model.
        fps: Frame rate of the video.
        start: Number of the first of the T frames.
        everywhere: Whether the prediction holds before the query frames; if not, points are
            hidden there, at their query.
        ids: int64 ``[N]``; by default 0 .. N-1.
    """
    frames = start + np.arange(prediction.xy.shape[1])
    here = frames == points.frames[:, None]  # [N, T]
    early = np.zeros_like(here) if everywhere else frames < points.frames[:, None]
    xy = resize.inverse(prediction.xy[0].float().cpu().numpy()).transpose(1, 0, 2)
    confidence = prediction.reported_confidence[0].float().cpu().numpy().T.clip(0, 1)
    return Tracks(
        np.where((here | early)[..., None], points.xy[:, None], xy),
        (visible[0].cpu().numpy().T & ~early) | here,
        np.where(early, 0, np.where(here, 1, confidence)),
        points.txy,
        np.arange(len(points)) if ids is None else ids,
        resize.source,
        fps,
        start,
    )
