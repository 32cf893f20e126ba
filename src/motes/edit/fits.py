"""Robust fits of one motion to many points: translation, similarity, affine map or homography.

A motion is a float64 matrix ``[3, 3]`` that maps pixels ``(x, y, 1)`` of one frame to pixels of
another frame, up to scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from motes.common.registry import suggest
from motes.errors import InputError
from motes.tracks import Tracks

TOLERANCE = 1.5
"""Default distance in pixels up to which a point agrees with a motion."""

CONSISTENT_SHARE = 0.5
"""Points that agree with the common motion in a smaller share of their frames are left out."""


Estimate = tuple[np.ndarray | None, np.ndarray]
"""The matrix ``[3, 3]``, None where there is no solution, and the inliers, bool ``[N]``."""


@dataclass(frozen=True)
class MotionKind:
    """One kind of motion.

    Attributes:
        min_points: Number of points that determine it.
        estimate: Takes float32 source and target ``[N, 2]``, and the tolerance in pixels.
    """

    min_points: int
    estimate: Callable[[np.ndarray, np.ndarray, float], Estimate]


def _translation(source: np.ndarray, target: np.ndarray, tolerance: float) -> Estimate:
    shift = target - source
    inliers = np.linalg.norm(shift - np.median(shift, axis=0), axis=1) <= tolerance
    matrix = np.eye(3)
    matrix[:2, 2] = shift[inliers].mean(0) if inliers.any() else np.median(shift, axis=0)
    return matrix, inliers


def _similarity(source: np.ndarray, target: np.ndarray, tolerance: float) -> Estimate:
    return _affine_rows(
        *cv2.estimateAffinePartial2D(source, target, None, cv2.RANSAC, tolerance, 2000, 0.999)
    )


def _affine(source: np.ndarray, target: np.ndarray, tolerance: float) -> Estimate:
    return _affine_rows(
        *cv2.estimateAffine2D(source, target, None, cv2.RANSAC, tolerance, 2000, 0.999)
    )


def _affine_rows(rows: np.ndarray | None, inliers: np.ndarray) -> Estimate:
    """``[2, 3]`` to ``[3, 3]``."""
    matrix = None if rows is None else np.vstack([rows, [0, 0, 1]])
    return matrix, inliers.ravel().astype(bool)


def _homography(source: np.ndarray, target: np.ndarray, tolerance: float) -> Estimate:
    matrix, inliers = cv2.findHomography(source, target, cv2.USAC_MAGSAC, tolerance)
    return matrix, (np.zeros(len(source), bool) if inliers is None else inliers.ravel() > 0)


KINDS = {
    "translation": MotionKind(1, _translation),
    "similarity": MotionKind(2, _similarity),
    "affine": MotionKind(3, _affine),
    "homography": MotionKind(4, _homography),
}
"""The kinds of motion by name, the simplest first."""


@dataclass(frozen=True)
class Fit:
    """A motion and the points that agree with it.

    Attributes:
        matrix: float64 ``[3, 3]``, maps pixels of the source to pixels of the target.
        inliers: bool ``[N]``.

    Example:
        >>> from motes.edit import fit_motion
        >>> fit = fit_motion(tracks.xy[:, 0], tracks.xy[:, 9], "homography")
        >>> fit.matrix.shape, fit.inliers.shape
        ((3, 3), (9,))
    """

    matrix: np.ndarray
    inliers: np.ndarray


def check_kind(kind: str) -> None:
    """Raise `InputError` unless `kind` is a key of `KINDS`."""
    if kind not in KINDS:
        raise suggest(kind, KINDS, "kind of motion")


def fit_motion(
    source: np.ndarray,
    target: np.ndarray,
    kind: str = "similarity",
    tolerance: float = TOLERANCE,
) -> Fit:
    """Fit one motion to pairs of positions; pairs that disagree are left out (RANSAC, MAGSAC).

    Args:
        source: ``[N, 2]``, positions in pixels.
        target: ``[N, 2]``, positions of the same points in another frame.
        kind: A key of `KINDS`.
        tolerance: Distance in pixels up to which a pair agrees.

    Returns:
        The motion from source to target, and the pairs that agree with it.

    Raises:
        InputError: The kind is unknown, the shapes differ, there are too few pairs, or all pairs
            are degenerate (for example on one line).

    Example:
        >>> from motes.edit import fit_motion
        >>> source = np.array([[0, 0], [50, 0], [0, 50], [50, 50]], float)
        >>> fit = fit_motion(source, source + [3, 1], "translation")
        >>> fit.matrix.round(3).tolist(), bool(fit.inliers.all())
        ([[1.0, 0.0, 3.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], True)
    """
    check_kind(kind)
    source, target = (np.ascontiguousarray(xy, np.float32) for xy in (source, target))
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise InputError(f"expected two arrays [N, 2], got {source.shape} and {target.shape}")
    least = KINDS[kind].min_points
    if len(source) < least:
        raise InputError(f"{kind}: expected at least {least} points, got {len(source)}")
    matrix, inliers = KINDS[kind].estimate(source, target, tolerance)
    if matrix is None or not np.isfinite(matrix).all():
        raise InputError(f"{kind}: the {len(source)} points do not determine one")
    return Fit(np.asarray(matrix, np.float64), inliers)


def apply_motion(matrix: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Map positions by motions.

    Args:
        matrix: ``[..., 3, 3]``.
        xy: ``[..., N, 2]``; leading axes broadcast.

    Returns:
        float64 ``[..., N, 2]``.

    Example:
        >>> from motes.edit.fits import apply_motion
        >>> shift = np.array([[1, 0, 3], [0, 1, 1], [0, 0, 1]])
        >>> apply_motion(shift, np.array([[10, 20]])).tolist()
        [[13.0, 21.0]]
    """
    image = xy @ np.swapaxes(matrix[..., :2, :2], -1, -2) + matrix[..., None, :2, 2]
    weight = xy @ matrix[..., 2, :2, None] + matrix[..., None, 2, 2:]
    return np.asarray(image / weight)


@dataclass(frozen=True)
class MotionPath:
    """The motion of one thing from a reference frame to each frame of its tracks.

    Attributes:
        matrices: float64 ``[T, 3, 3]``, maps pixels of the reference frame to those of each frame.
        known: bool ``[T]``: whether enough points agree; elsewhere the matrix is interpolated.
        inliers: bool ``[N, T]``: the points that agree with the motion in each frame.

    Example:
        >>> from motes.edit import fit_path
        >>> path = fit_path(tracks, reference=0)
        >>> path.matrices.shape, bool(path.known.all())
        ((12, 3, 3), True)
    """

    matrices: np.ndarray
    known: np.ndarray
    inliers: np.ndarray


def fit_path(
    tracks: Tracks,
    reference: int,
    kind: str = "similarity",
    tolerance: float = TOLERANCE,
    min_inliers: int | None = None,
) -> MotionPath:
    """Fit the common motion of points, from a reference frame to every frame.

    Points that agree with the common motion in less than half of the frames are left out, so that
    small moving objects do not disturb the motion of the background.

    Args:
        tracks: Points that are visible in the reference frame.
        reference: Number of the reference frame.
        kind: A key of `KINDS`.
        tolerance: Distance in pixels up to which a point agrees.
        min_inliers: A frame with fewer is unknown; default: as few as determine the motion.

    Returns:
        The motions; where a frame is unknown, the matrix is interpolated from its neighbours.

    Raises:
        InputError: The kind or the frame is unknown, or too few points are visible in the reference
            frame.

    Example:
        >>> from motes.edit import fit_path
        >>> path = fit_path(tracks, reference=0, kind="translation")
        >>> path.matrices[9, :2, 2].round().tolist()
        [9.0, 0.0]
    """
    check_kind(kind)
    if reference not in tracks.frames:
        frames = f"{tracks.start}..{tracks.frames.stop - 1}"
        raise InputError(f"reference: expected a frame in {frames}, got {reference}")
    column = reference - tracks.start
    least = max(min_inliers or 0, KINDS[kind].min_points)
    points = tracks.visible[:, column]
    if points.sum() < least:
        raise InputError(
            f"{kind}: expected at least {least} visible points in frame {reference}, "
            f"got {points.sum()}"
        )
    shared = tracks.visible & points[:, None]
    first = _fit_columns(tracks.xy, shared, column, kind, tolerance)
    share = first.inliers.sum(1) / np.maximum(shared.sum(1), 1)
    consistent = shared & (share >= CONSISTENT_SHARE)[:, None]
    enough = (consistent.sum(0) >= 2 * least)[None]
    second = _fit_columns(tracks.xy, np.where(enough, consistent, shared), column, kind, tolerance)
    known = second.inliers.sum(0) >= least
    known[column] = True
    return MotionPath(_interpolate(second.matrices, known, tracks.size), known, second.inliers)


def _fit_columns(
    xy: np.ndarray, shared: np.ndarray, column: int, kind: str, tolerance: float
) -> MotionPath:
    """Independent fits from one column to every column, with the points `shared` there."""
    T = xy.shape[1]
    matrices, inliers = np.tile(np.eye(3), (T, 1, 1)), np.zeros(shared.shape, bool)
    for i in range(T):
        rows = np.flatnonzero(shared[:, i])
        try:
            fit = fit_motion(xy[rows, column], xy[rows, i], kind, tolerance)
        except InputError:
            continue
        matrices[i], inliers[rows, i] = fit.matrix, fit.inliers
    return MotionPath(matrices, np.asarray(inliers.any(0)), inliers)


def _interpolate(matrices: np.ndarray, known: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Replace unknown motions: the corners of the frame move linearly between known frames."""
    if known.all():
        return matrices
    corners = frame_corners(size)
    moved = apply_motion(matrices, corners)
    at, columns = np.flatnonzero(known), np.arange(len(known))
    flat = moved.reshape(len(moved), -1)
    filled = np.stack([np.interp(columns, at, values[at]) for values in flat.T], 1)
    result = matrices.copy()
    for i in np.flatnonzero(~known):
        result[i] = from_corners(corners, filled[i].reshape(-1, 2))
    return result


def frame_corners(size: tuple[int, int]) -> np.ndarray:
    """The outer corners of a frame of `size` (W, H), clockwise from the top left: ``[4, 2]``."""
    right, bottom = size[0] - 0.5, size[1] - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])


def from_corners(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The homography that maps four points ``[4, 2]`` to four others: float64 ``[3, 3]``."""
    return cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
