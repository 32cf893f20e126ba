"""Why a video cannot be reconstructed, said before the solver is started."""

from __future__ import annotations

import numpy as np

from motes.edit.fits import apply_motion, fit_motion
from motes.errors import InputError
from motes.tracks import Tracks

MIN_FRAMES = 3
MIN_SHARED = 30
"""Points that two frames must share."""

MIN_MOTION = 3.0
"""Median motion in pixels between the frames that differ most, at least."""

EXPLAINED = 0.9
"""Share of points that follow a homography, from which there is no parallax to speak of."""

TOLERANCE = 1.0
"""Distance in pixels up to which a point follows a homography."""

PAIRS = 12
"""Pairs of frames that are looked at."""


def check_solvable(tracks: Tracks) -> None:
    """Raise, if there is no hope of a reconstruction.

    Args:
        tracks: Points of the frames that are to be solved.

    Raises:
        InputError: There are too few frames or shared points, hardly any motion, or no parallax.
    """
    if tracks.num_frames < MIN_FRAMES:
        raise InputError(f"expected at least {MIN_FRAMES} frames, got {tracks.num_frames}")
    pairs = _pairs(tracks)
    if not pairs:
        most = max(_shared(tracks, i, i + 1).sum() for i in range(tracks.num_frames - 1))
        raise InputError(
            f"expected frames that share at least {MIN_SHARED} points, neighbours share {most} "
            "at most; more points, or a video with more texture, may help"
        )
    motions = [_motion(tracks, a, b) for a, b in pairs]
    if max(motions) < MIN_MOTION:
        raise InputError(
            f"expected a camera that moves; the points move {max(motions):.1f} pixels at most"
        )
    explained = min(_explained(tracks, a, b) for a, b in pairs)
    if explained > EXPLAINED:
        raise InputError(
            f"expected parallax, but one homography explains the motion of {explained:.0%} of the "
            "points between any two frames: the camera only rotates, or it sees one flat surface"
        )


def _shared(tracks: Tracks, a: int, b: int) -> np.ndarray:
    return np.asarray(tracks.visible[:, a] & tracks.visible[:, b])


def _pairs(tracks: Tracks) -> list[tuple[int, int]]:
    """Pairs of columns, as far apart as they share enough points."""
    T = tracks.num_frames
    found = []
    for a in np.unique(np.linspace(0, T - 2, PAIRS).astype(int)).tolist():
        shared = [b for b in range(a + 1, T) if _shared(tracks, a, b).sum() >= MIN_SHARED]
        if shared:
            found.append((a, shared[-1]))
            found.append((a, shared[len(shared) // 2]))
    return found


def _motion(tracks: Tracks, a: int, b: int) -> float:
    shared = _shared(tracks, a, b)
    shift = tracks.xy[shared, b] - tracks.xy[shared, a]
    return float(np.median(np.linalg.norm(shift, axis=1)))


def _explained(tracks: Tracks, a: int, b: int) -> float:
    """Share of the shared points that one homography explains."""
    shared = _shared(tracks, a, b)
    source, target = tracks.xy[shared, a], tracks.xy[shared, b]
    fit = fit_motion(source, target, "homography", TOLERANCE)
    error = np.linalg.norm(apply_motion(fit.matrix, source) - target, axis=1)
    return float((error < TOLERANCE).mean())
