"""The TAP-Vid metrics (Doersch et al., "TAP-Vid: A Benchmark for Tracking Any Point", 2022)."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from motes.errors import InputError

Mode = Literal["first", "strided"]
"""`first`: one query a point, in its first visible frame; later frames are scored.
`strided`: one query in every fifth frame where it is visible; all other frames are scored."""

THRESHOLDS = (1, 2, 4, 8, 16)
"""Distances in pixels of a 256x256 raster below which a position is correct."""


def tapvid_metrics(
    query_frames: np.ndarray,
    gt_points: np.ndarray,
    gt_occluded: np.ndarray,
    points: np.ndarray,
    occluded: np.ndarray,
    mode: Mode,
    annotated: np.ndarray | None = None,
) -> dict[str, float]:
    """Score the predictions for N queries in a video of T frames (TAP-Vid, section 4).

    Args:
        query_frames: ``[N]``, the frame of each query, from 0.
        gt_points: ``[N, T, 2]``, true positions in pixels of a 256x256 raster.
        gt_occluded: bool ``[N, T]``.
        points: ``[N, T, 2]``, predicted positions in the same pixels.
        occluded: bool ``[N, T]``, predicted.
        mode: Which frames are scored, see `Mode`.
        annotated: bool ``[N, T]``; frames where it is false are not scored.  None: all are.

    Returns:
        `average_jaccard` (AJ), `average_pts_within_thresh` (delta average) and
        `occlusion_accuracy` (OA), and `jaccard_d` and `pts_within_d` for each threshold d; all in
        [0, 1], NaN where no frame is scored.

    Raises:
        InputError: A shape is wrong, or the mode is unknown.

    Example:
        >>> from motes.eval.metrics import tapvid_metrics
        >>> true, hidden = np.zeros((1, 3, 2)), np.zeros((1, 3), bool)
        >>> points = np.array([[[0, 0], [0.5, 0], [3, 0]]])
        >>> metrics = tapvid_metrics(np.array([0]), true, hidden, points, hidden, "first")
        >>> metrics["pts_within_1"], metrics["average_pts_within_thresh"]
        (0.5, 0.8)
    """
    N, T = _check(query_frames, gt_points, gt_occluded, points, occluded, mode)
    gt_occluded, occluded = np.asarray(gt_occluded, bool), np.asarray(occluded, bool)
    scored = scored_frames(query_frames, T, mode)
    if annotated is not None:
        scored &= _of_shape("annotated", annotated, (N, T)).astype(bool)
    visible, predicted = scored & ~gt_occluded, scored & ~occluded
    squared = np.square(np.asarray(points, np.float64) - gt_points).sum(-1)

    result = {"occlusion_accuracy": _ratio((scored & (gt_occluded == occluded)).sum(), scored)}
    for d in THRESHOLDS:
        within = squared < d * d
        true_positives = (within & visible & predicted).sum()
        false_positives = (predicted & ~(within & visible)).sum()
        result[f"pts_within_{d}"] = _ratio((within & visible).sum(), visible)
        # Visible true positions are the true positives and the false negatives.
        result[f"jaccard_{d}"] = _ratio(true_positives, visible.sum() + false_positives)
    result["average_jaccard"] = _mean(result, "jaccard")
    result["average_pts_within_thresh"] = _mean(result, "pts_within")
    return result


def _mean(result: dict[str, float], name: str) -> float:
    return float(np.mean([result[f"{name}_{d}"] for d in THRESHOLDS]))


def scored_frames(query_frames: np.ndarray, num_frames: int, mode: Mode) -> np.ndarray:
    """Bool ``[N, T]``: the scored frames of each query (see `Mode`).

    Example:
        >>> from motes.eval.metrics import scored_frames
        >>> scored_frames(np.array([1]), num_frames=4, mode="first").tolist()
        [[False, False, True, True]]
    """
    frames, start = np.arange(num_frames)[None], np.round(query_frames).astype(int)[:, None]
    return frames > start if mode == "first" else frames != start


def check_mode(mode: str) -> Mode:
    """The mode of this name.

    Raises:
        InputError: The mode is unknown.

    Example:
        >>> from motes.eval.metrics import check_mode
        >>> check_mode("strided")
        'strided'
    """
    for known in get_args(Mode):
        if mode == known:
            return known
    raise InputError(f"mode: expected one of {', '.join(get_args(Mode))}, got {mode!r}")


def _check(
    query_frames: np.ndarray,
    gt_points: np.ndarray,
    gt_occluded: np.ndarray,
    points: np.ndarray,
    occluded: np.ndarray,
    mode: str,
) -> tuple[int, int]:
    check_mode(mode)
    if gt_points.ndim != 3:
        raise InputError(f"gt_points: expected shape [N, T, 2], got {list(gt_points.shape)}")
    N, T, _ = gt_points.shape
    _of_shape("query_frames", query_frames, (N,))
    _of_shape("gt_points", gt_points, (N, T, 2))
    _of_shape("gt_occluded", gt_occluded, (N, T))
    _of_shape("points", points, (N, T, 2))
    _of_shape("occluded", occluded, (N, T))
    return N, T


def _of_shape(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if value.shape != shape:
        raise InputError(f"{name}: expected shape {list(shape)}, got {list(value.shape)}")
    return value


def _ratio(part: int, whole: np.ndarray | int) -> float:
    total = int(np.sum(whole))
    return int(part) / total if total else float("nan")
