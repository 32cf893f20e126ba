"""Compare the points of a surface with the reference frame, in every frame.

A tracker that follows a point from frame to frame may drift onto an occluder, and miss the return
of what was hidden.  Here the expected motion warps the reference frame; points that do not look as
in it are hidden, and hidden points are registered to the frame from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from motes.common.progress import Progress, silent
from motes.edit.fits import Fit, apply_motion, fit_motion
from motes.edit.surface import Surface
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.video import Video

MIN_POINTS = 12
"""A surface of fewer points is left as it is: they do not tell it from its surroundings."""

MIN_CONFIRMED = (10, 0.06)
"""Fewer points, and a smaller share of them, that agree on one motion are taken for chance."""

FOLLOWED_SHARE = 0.7
"""With this share of the points confirmed, the motion of the tracks is not questioned."""

PART_SHARE = 0.3
"""A smaller share of the points says nothing about turning and tilting of the whole surface."""

MAX_ROUND_TRIP = 1.0
"""Distance in pixels between a point and itself, registered to the frame and back."""

WINDOW = (15, 15)
"""Of the registration, in pixels; at half the size, too."""

CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)
"""It ends after 30 steps, or with one of less than 0.01 pixels."""

PATCH = 13
"""Side in pixels of the patches that are compared."""

SAME, OTHER = 0.8, 0.3
"""Correlation of a patch with the reference frame from which it shows the same point, and below
which it shows another one."""

PLAIN = 5.0
"""Deviation of the grey values of a patch below which it has no texture to compare."""

PLAIN_GAIN = 0.1
"""Largest difference of the brightness of two patches without texture that show the same point,
relative to the change of light on the points that are found."""

GAIN_RANGE = (0.5, 2.0)
"""Smallest and largest ratio of the brightness of a patch to its reference."""

RATIO, MIN_FEATURES = 0.8, 5
"""Distance of the best match of a feature, relative to the second best; and the fewest matches."""

SCALE_RANGE = (0.2, 5.0)
"""Smallest and largest size of a surface that is found anywhere, relative to the reference."""

READ_PIXELS = 64 * 2**20
"""Pixels of frames that are read at a time."""


def recovered(surface: Surface, video: Video, progress: Progress | None = None) -> Surface:
    """The same surface; its visible points are those that look as in the reference frame.

    Frames are visited from the reference frame outward.  The motion of a frame is expected to be
    that of the tracks, or that of the frame visited before: the one that more points confirm.

    Args:
        surface: A surface and its tracks.
        video: The video of the tracks.
        progress: Called with 1 after each frame.

    Returns:
        A surface with the same points.  Points without texture stay as the tracker says.

    Example:
        >>> from motes.edit.recovery import recovered
        >>> surface = Surface(tracks, 0)
        >>> recovered(surface, motes.open_video("bike.mp4")).points.shape == surface.points.shape
        True
    """
    tracks, advance = surface.tracks, progress or silent
    if len(surface.points) < MIN_POINTS:
        return surface
    reference = video.read(surface.reference, surface.reference + 1)[0]
    search = _Search(surface, cv2.cvtColor(reference, cv2.COLOR_RGB2GRAY))
    xy, visible = tracks.xy.copy(), tracks.visible.copy()
    for columns in _outward(surface):
        motion = np.eye(3)
        for column, frame in _read(video, tracks.start, columns):
            found = search.find(column, cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), motion)
            xy[:, column], visible[:, column] = found.xy, found.visible
            motion = found.matrix if found.confirmed else motion
            advance(1)
    return replace(surface, tracks=replace(tracks, xy=xy, visible=visible))


def _outward(surface: Surface) -> Iterator[range]:
    """Columns after the reference frame, then those before it, the nearest first."""
    middle = surface.reference - surface.tracks.start
    yield range(middle + 1, surface.tracks.num_frames)
    yield range(middle - 1, -1, -1)


def _read(video: Video, start: int, columns: range) -> Iterator[tuple[int, np.ndarray]]:
    """Columns and their frames; a stretch at a time, so that reading backward is not slow."""
    W, H = video.size
    length = max(1, READ_PIXELS // (W * H))
    for first in range(0, len(columns), length):
        part = columns[first : first + length]
        low = min(part)
        frames = video.read(start + low, start + low + len(part))
        for column in part:
            if column - low < len(frames):
                yield column, frames[column - low]


@dataclass(frozen=True)
class _Found:
    """The points of a surface that one frame shows.

    Attributes:
        visible: bool ``[N]``.
        xy: float64 ``[N, 2]``, positions.
        matrix: The mean motion from the reference frame, ``[3, 3]``.
        confirmed: Number of points that look as in the reference frame.
    """

    visible: np.ndarray
    xy: np.ndarray
    matrix: np.ndarray
    confirmed: int


class _Search:
    """Compares frames with the reference frame of a surface.

    Args:
        surface: The surface.
        reference: The reference frame in grey, uint8 ``[H, W]``.
    """

    def __init__(self, surface: Surface, reference: np.ndarray) -> None:
        self.surface = surface
        self.reference = reference

    @cached_property
    def features(self) -> _Features:
        """Of the surface in the reference frame."""
        hull = cv2.convexHull(np.rint(self.surface.points).astype(np.int32))
        mask = cv2.fillConvexPoly(np.zeros_like(self.reference), hull, 255)
        return _Features(self.reference, mask)

    def find(self, column: int, frame: np.ndarray, motion: np.ndarray) -> _Found:
        """The points that a frame shows.

        Args:
            column: Index of the frame in the tracks.
            frame: In grey, uint8 ``[H, W]``.
            motion: Of the frame visited before.
        """
        tracked = self._around(column, frame, self.surface.path.matrices[column])
        if tracked.confirmed >= FOLLOWED_SHARE * len(self.surface.points):
            return tracked
        other = self._around(column, frame, motion)
        found = other if other.confirmed > tracked.confirmed else tracked
        if found.confirmed or (anywhere := self.features.motion(frame)) is None:
            return found
        return self._around(column, frame, anywhere)

    def _around(self, column: int, frame: np.ndarray, guess: np.ndarray) -> _Found:
        """The points that a frame shows where a guess of its motion expects them."""
        surface, size = self.surface, self.surface.tracks.size
        warped = cv2.warpPerspective(self.reference, guess, size)
        expected = apply_motion(guess, surface.points)
        before = _patches(warped, expected)
        xy = surface.tracks.xy[:, column].astype(np.float64)
        likeness = _likeness(before, _patches(frame, xy))
        followed = surface.follow(column, guess) & (likeness >= OTHER)
        lost = np.flatnonzero(~followed & _inside(expected, size))
        xy[lost], returned = _registered(warped, frame, expected[lost])
        likeness[lost] = _likeness(before[lost], _patches(frame, xy[lost]))
        shown = followed.copy()
        shown[lost] = returned & (likeness[lost] >= SAME)
        fit = self._fit(expected[shown], xy[shown])
        if fit is None:
            return _Found(followed, xy, guess, 0)
        agree = shown.copy()
        agree[shown] = fit.inliers
        confirmed = int((agree & (likeness >= SAME)).sum())
        if confirmed < max(MIN_CONFIRMED[0], MIN_CONFIRMED[1] * len(xy)):
            return _Found(followed, xy, guess, 0)
        matrix = fit.matrix @ guess
        slid = surface.tracks.visible[:, column] & ~(followed | agree)
        slid[slid] = self._stayed(frame, matrix, slid, agree)
        xy[slid] = apply_motion(matrix, surface.points[slid])
        return _Found(followed | agree | slid, xy, matrix, confirmed)

    def _stayed(
        self, frame: np.ndarray, matrix: np.ndarray, points: np.ndarray, found: np.ndarray
    ) -> np.ndarray:
        """Which of some points the frame shows where the motion of the surface takes them.

        A tracker slides on a plain surface: it is right that a point is visible, not where.

        Args:
            frame: In grey, uint8 ``[H, W]``.
            matrix: The motion, ``[3, 3]``.
            points: bool ``[N]``.
            found: bool ``[N]``, points that are known to be shown; they tell the light.

        Returns:
            bool, for each of `points`: without texture here and there, and as bright.
        """
        size = self.surface.tracks.size
        warped = cv2.warpPerspective(self.reference, matrix, size)
        expected = apply_motion(matrix, self.surface.points)
        before, after = _patches(warped, expected), _patches(frame, expected)
        plain = np.maximum(before.std(1), after.std(1)) < PLAIN
        gain = _gain(before.mean(1), after.mean(1))
        alike = np.abs(gain / np.median(gain[found]) - 1) <= PLAIN_GAIN
        return np.asarray((plain & alike & _inside(expected, size))[points])

    def _fit(self, source: np.ndarray, target: np.ndarray) -> Fit | None:
        """What a guess of the motion misses; a part of the surface gives a translation only."""
        kind, tolerance = self.surface.mean_motion
        if len(source) < PART_SHARE * len(self.surface.points):
            kind = "translation"
        try:
            return fit_motion(source, target, kind, tolerance)
        except InputError:
            return None


class _Features:
    """Finds a surface anywhere in a frame, by its SIFT features (Lowe, 2004).

    Args:
        reference: The reference frame in grey, uint8 ``[H, W]``.
        mask: uint8 ``[H, W]``, not 0 on the surface.
    """

    def __init__(self, reference: np.ndarray, mask: np.ndarray) -> None:
        self.sift = cv2.SIFT.create(contrastThreshold=0.02)
        points, self.descriptors = self.sift.detectAndCompute(reference, mask)
        self.xy = np.asarray(cv2.KeyPoint.convert(points))

    def motion(self, frame: np.ndarray) -> np.ndarray | None:
        """The similarity from the reference frame to a frame, ``[3, 3]``; None: not found."""
        points, descriptors = self.sift.detectAndCompute(frame, None)
        if self.descriptors is None or descriptors is None:
            return None
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self.descriptors, descriptors, 2)
        clear = [p[0] for p in pairs if len(p) == 2 and p[0].distance < RATIO * p[1].distance]
        if len(clear) < MIN_FEATURES:
            return None
        xy = np.asarray(cv2.KeyPoint.convert(points))
        here, there = zip(*((match.queryIdx, match.trainIdx) for match in clear), strict=True)
        try:
            fit = fit_motion(self.xy[list(here)], xy[list(there)], tolerance=3.0)
        except InputError:
            return None
        scale = np.sqrt(abs(np.linalg.det(fit.matrix[:2, :2])))
        likely = SCALE_RANGE[0] <= scale <= SCALE_RANGE[1]
        return fit.matrix if likely and fit.inliers.sum() >= MIN_FEATURES else None


def _inside(xy: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which positions ``[N, 2]`` are inside a frame, bool ``[N]``."""
    return np.asarray(((xy >= 0) & (xy <= (size[0] - 1, size[1] - 1))).all(1))


def _registered(
    before: np.ndarray, after: np.ndarray, xy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in a second picture, and whether the way back ends at the start."""
    if not len(xy):
        return xy, np.zeros(0, bool)
    start = xy.astype(np.float32)
    there, found = _flow(before, after, start)
    back, returned = _flow(after, before, there)
    near = np.linalg.norm(back - start, axis=1) <= MAX_ROUND_TRIP
    return there.astype(np.float64), found & returned & near


def _flow(
    before: np.ndarray, after: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of points ``[N, 2]`` in a second picture, and whether each was found."""
    start = points[:, None]
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before, after, start, start.copy(), winSize=WINDOW, maxLevel=1, criteria=CRITERIA
    )
    return np.asarray(found)[:, 0], np.asarray(status)[:, 0] > 0


def _patches(picture: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Square patches around positions: float32 ``[N, PATCH * PATCH]``."""
    if not len(xy):
        return np.zeros((0, PATCH * PATCH), np.float32)
    offset = np.arange(PATCH) - PATCH // 2
    offsets = np.stack(np.meshgrid(offset, offset), -1).reshape(1, -1, 2)
    x, y = np.moveaxis((xy[:, None] + offsets).astype(np.float32), -1, 0)
    maps = np.ascontiguousarray(x), np.ascontiguousarray(y)
    sampled = cv2.remap(picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.astype(np.float32)


def _likeness(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Correlation of patches ``[N, P]`` with those of the reference frame, under any light.

    Returns:
        float32 ``[N]``: -1, where one is far too bright or dark; between `OTHER` and `SAME` where
        a patch has no texture, so that it says nothing.
    """
    mean_a, mean_b = before.mean(1), after.mean(1)
    a, b = before - mean_a[:, None], after - mean_b[:, None]
    deviation_a, deviation_b = a.std(1), b.std(1)
    correlation = (a * b).mean(1) / np.maximum(deviation_a * deviation_b, 1e-6)
    plain = np.minimum(deviation_a, deviation_b) < PLAIN
    gain = _gain(mean_a, mean_b)
    lit = (gain >= GAIN_RANGE[0]) & (gain <= GAIN_RANGE[1])
    return np.where(lit, np.where(plain, (SAME + OTHER) / 2, correlation), -1.0)


def _gain(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Ratio of brightness, without the noise of what is nearly black."""
    return (after + 8) / (before + 8)
