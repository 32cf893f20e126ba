"""The camera's motion through a video of any length, from tracks of its background."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from motes.common.progress import Progress, silent
from motes.edit.fits import MotionPath, apply_motion, fit_path, frame_corners, from_corners
from motes.errors import InputError
from motes.queries import Queries
from motes.queries.corners import detect_corners

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video

POINTS = 400
"""Corners that are tracked at a time."""

STRETCH = (6, 48)
"""Fewest and most frames that are tracked from one set of corners."""

HANDOVER = 0.4
"""New corners are chosen where a smaller share of the old ones agrees with the motion."""

MIN_INLIERS = 12
"""With fewer points, the motion of a frame is unknown."""


@dataclass(frozen=True)
class CameraPath:
    """The motion of the background from each frame to the next.

    Attributes:
        steps: float64 ``[T - 1, 3, 3]``; step i maps pixels of frame ``start + i`` to the next.
        known: bool ``[T - 1]``; an unknown step is interpolated.
        start: Number of the first frame.
        size: Width and height of the video.
    """

    steps: np.ndarray
    known: np.ndarray
    start: int
    size: tuple[int, int]

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return len(self.steps) + 1

    def chain(self) -> np.ndarray:
        """Motions from the first frame to every frame: float64 ``[T, 3, 3]``."""
        matrices = [np.eye(3)]
        for step in self.steps:
            product = step @ matrices[-1]
            matrices.append(product / product[2, 2])
        return np.stack(matrices)


def track_camera(
    tracker: Tracker, video: Video, kind: str = "similarity", progress: Progress | None = None
) -> CameraPath:
    """Estimate the motion of the background from each frame to the next.

    Corners are tracked over stretches of frames.  Within a stretch all motions are fitted from its
    first frame, so that errors do not add up.

    Args:
        tracker: Any tracker of `motes.load`.
        video: The video.
        kind: ``"similarity"``, ``"affine"`` or ``"homography"``.
        progress: Called with the number of frames that are done.

    Returns:
        The steps of all frames.

    Raises:
        InputError: The video has one frame, or most of its frames have no background to track.
    """
    advance = progress or silent
    steps: list[np.ndarray] = []
    known: list[np.ndarray] = []
    first, length = video.start, STRETCH[0]
    while (path := _stretch(tracker, video, first, length, kind)) is not None:
        count = _handover(path)
        steps += [b @ np.linalg.inv(a) for a, b in pairwise(path.matrices[: count + 1])]
        known.append(path.known[1 : count + 1])
        advance(count)
        first += count
        length = int(np.clip(2 * count, *STRETCH))
    if not steps:
        raise InputError(f"{video.name}: expected at least two frames, got one")
    advance(1)
    flags = np.concatenate(known)
    if flags.mean() < 0.5:
        raise InputError(
            f"{video.name}: expected background to track in most frames, "
            f"found it in {flags.sum()} of {len(flags)}"
        )
    matrices = np.stack([step / step[2, 2] for step in steps])
    return CameraPath(matrices, flags, video.start, video.size)


def _stretch(
    tracker: Tracker, video: Video, first: int, length: int, kind: str
) -> MotionPath | None:
    """Motions from one frame to the next ones; None at the end of the video.

    Where the frame has too few corners, the motion to the next frame is unknown.
    """
    frames = video.read(first, first + 2)
    if len(frames) < 2:
        return None
    try:
        corners = detect_corners(frames[0], POINTS, first)
    except InputError:  # the frame has none
        corners = Queries.of([])
    if len(corners) < MIN_INLIERS:
        return MotionPath(np.tile(np.eye(3), (2, 1, 1)), np.array([True, False]), np.ones((0, 2)))
    tracks = tracker.track(video, corners, start=first, end=first + length)
    return fit_path(tracks, first, kind, min_inliers=MIN_INLIERS)


def _handover(path: MotionPath) -> int:
    """How many steps of a stretch are used before new corners are chosen; at least one."""
    agree = path.inliers.sum(0)
    few = (agree < HANDOVER * max(agree[0], 1)) | ~path.known
    few[:2] = False
    return int(few.argmax()) - 1 if few.any() else len(few) - 1


def smooth_path(path: CameraPath, sigma: float) -> np.ndarray:
    """Motions that move each frame onto a smooth path of the camera.

    The corners of a frame follow a line that is fitted to their positions in the neighbouring
    frames, with Gaussian weights (Matsushita et al., "Full-frame video stabilization", 2005).  No
    frame is compared with frames far away, so errors do not add up.

    Args:
        path: The camera's motion.
        sigma: Deviation of the weights, in frames; larger is smoother.

    Returns:
        float64 ``[T, 3, 3]``, maps pixels of each frame to pixels of its stabilised frame.

    Raises:
        InputError: `sigma` is not positive.
    """
    if not 0 < sigma < np.inf:
        raise InputError(f"smoothness: expected a positive number, got {sigma:g}")
    corners = frame_corners(path.size)
    T, reach = path.num_frames, min(int(np.ceil(3 * sigma)), path.num_frames - 1)
    sums = _LineFit(np.tile(corners, (T, 1, 1)))
    inverse = np.linalg.inv(path.steps)
    ahead = behind = np.tile(np.eye(3), (T, 1, 1))
    for k in range(1, reach + 1):
        weight = float(np.exp(-0.5 * (k / sigma) ** 2))
        ahead = path.steps[k - 1 :] @ ahead[: T - k]  # [T - k], frame t to t + k
        behind = inverse[: T - k] @ behind[1:]  # [T - k], frame t + k to t
        sums.add(slice(0, T - k), k, weight, apply_motion(ahead, corners))
        sums.add(slice(k, T), -k, weight, apply_motion(behind, corners))
    return np.stack([from_corners(corners, target) for target in sums.at_zero()])


class _LineFit:
    """Weighted least squares of lines over k, for ``[T, 4, 2]`` values at once."""

    def __init__(self, values: np.ndarray) -> None:
        """Begin with the values at k = 0, of weight 1."""
        T = len(values)
        self.s0, self.s1, self.s2 = np.ones(T), np.zeros(T), np.zeros(T)
        self.y0, self.y1 = values.copy(), np.zeros_like(values)

    def add(self, rows: slice, k: int, weight: float, values: np.ndarray) -> None:
        self.s0[rows] += weight
        self.s1[rows] += weight * k
        self.s2[rows] += weight * k * k
        self.y0[rows] += weight * values
        self.y1[rows] += weight * k * values

    def at_zero(self) -> np.ndarray:
        """The values of the lines at k = 0."""
        determinant = self.s0 * self.s2 - self.s1**2
        line = determinant > 1e-9
        safe = np.where(line, determinant, 1.0)
        a = np.where(line, self.s2 / safe, 1 / self.s0)[:, None, None]
        b = np.where(line, self.s1 / safe, 0.0)[:, None, None]
        return a * self.y0 - b * self.y1
