"""`Surface`: how a part of one frame, the reference frame, appears in all other frames.

Tracks of points on the surface give its motion: one matrix for a stiff surface, and for a surface
that bends also a local correction, interpolated between the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from motes.edit.fits import KINDS, TOLERANCE, MotionPath, apply_motion, check_kind, fit_path
from motes.errors import InputError
from motes.tracks import Tracks

MESH = "mesh"
"""The kind of a surface that bends."""

SURFACES = (*KINDS, MESH)

CELL = 4
"""Side in pixels of the cells for which the local correction is computed."""

NEAR, FAR = 1.5, 6.0
"""Deviations of the weights of points, in distances of neighbouring points."""

FAR_WEIGHT = 1e-3
"""Weight of far points, relative to near ones: they count only where no point is near."""

RIDGE = 0.05
"""Of the local fits, in squared distances of neighbouring points."""

MESH_TOLERANCE = 0.03
"""Distance up to which points of a bending surface agree with its mean motion, in its diameters."""

WRONG = {False: (4.0, 0.02), True: (6.0, 0.08)}
"""By whether a surface bends: the distance from the mean motion, in pixels and in diameters of the
surface, from which a point is wrong, for example because it follows a hand before the surface."""

FOUND_SHARE = 0.1
"""With a smaller share of its points, the position of a surface is unknown: the few that are left
are often wrong, and follow what hides it."""

OUTLIER = 2.0
"""Pixels by which a point that disagrees with its neighbours gets half of its weight."""

HIDDEN_BELOW, VISIBLE_ABOVE = 0.35, 0.65
"""Share of visible points around a pixel, for a pixel that is hidden and one that is visible."""

Window = tuple[slice, slice]
"""Rows and columns of a frame."""


@dataclass(frozen=True)
class Surface:
    """The motion and the visibility of one surface.

    Attributes:
        tracks: Points on the surface.
        reference: Number of the reference frame, in which all points are visible.
        kind: One of `SURFACES`.

    Example:
        >>> from motes.edit import Surface
        >>> surface = Surface(tracks, 0, "homography")
        >>> surface.path.matrices.shape
        (12, 3, 3)
    """

    tracks: Tracks
    reference: int
    kind: str = MESH

    def __post_init__(self) -> None:
        if self.kind != MESH:
            check_kind(self.kind)
        if self.reference not in self.tracks.frames:
            frames = f"{self.tracks.start}..{self.tracks.frames.stop - 1}"
            raise InputError(f"reference: expected a frame in {frames}, got {self.reference}")

    @cached_property
    def points(self) -> np.ndarray:
        """Positions of the points in the reference frame, float64 ``[N, 2]``."""
        return self.tracks.xy[:, self.reference - self.tracks.start].astype(np.float64)

    @cached_property
    def spacing(self) -> float:
        """Typical distance of neighbouring points in pixels of the reference frame."""
        if len(self.points) < 2:
            return 8.0
        low, high = self.points.min(0), self.points.max(0)
        return float(max(3.0, np.sqrt(np.prod(high - low + 1) / len(self.points))))

    @cached_property
    def diameter(self) -> float:
        """Longer side of the bounding box of the points, in pixels of the reference frame."""
        return float(np.ptp(self.points, axis=0).max())

    @cached_property
    def path(self) -> MotionPath:
        """The mean motion from the reference frame to every frame."""
        least = int(np.ceil(FOUND_SHARE * len(self.points)))
        return fit_path(self.tracks, self.reference, *self.mean_motion, least)

    @cached_property
    def mean_motion(self) -> tuple[str, float]:
        """The kind of the mean motion, and the distance in pixels up to which a point agrees."""
        if self.kind != MESH:
            return self.kind, TOLERANCE
        kind = "affine" if len(self.points) >= 12 else "translation"
        return kind, max(3.0, MESH_TOLERANCE * self.diameter)

    @cached_property
    def visible(self) -> np.ndarray:
        """The points that are visible and not far from the mean motion, bool ``[N, T]``."""
        columns = enumerate(self.path.matrices)
        return np.stack([self.follow(i, matrix) for i, matrix in columns], 1)

    def follow(self, column: int, matrix: np.ndarray) -> np.ndarray:
        """The visible points of a frame that are not far from a motion, bool ``[N]``.

        Args:
            column: Index of the frame in the tracks.
            matrix: ``[3, 3]``, from the reference frame.
        """
        expected = apply_motion(matrix, self.points)
        distance = np.linalg.norm(self.tracks.xy[:, column] - expected, axis=1)
        pixels, diameters = WRONG[self.kind == MESH]
        scale = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
        limit = max(pixels, diameters * self.diameter * scale)
        return np.asarray(self.tracks.visible[:, column] & (distance <= limit))

    @cached_property
    def seen(self) -> np.ndarray:
        """Visibility of the points, averaged over three frames: float32 ``[N, T]``."""
        padded = np.pad(self.visible.astype(np.float32), ((0, 0), (1, 1)), mode="edge")
        return (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3

    def window(self, column: int, box: np.ndarray, margin: float = 8.0) -> Window | None:
        """The part of a frame in which a part of the reference frame can appear.

        Args:
            column: Index of the frame in the tracks.
            box: Corners ``[M, 2]`` of the part, in pixels of the reference frame.
            margin: Added on all sides, in pixels.

        Returns:
            Rows and columns; None where it is outside of the frame.
        """
        corners = apply_motion(self.path.matrices[column], box)
        if self.kind == MESH:
            margin += 0.15 * float(np.ptp(corners, axis=0).max())
        W, H = self.tracks.size
        left, top = np.maximum(np.floor(corners.min(0) - margin), 0).astype(int)
        right, bottom = np.minimum(np.ceil(corners.max(0) + margin) + 1, (W, H)).astype(int)
        if right <= left or bottom <= top:
            return None
        return slice(int(top), int(bottom)), slice(int(left), int(right))

    def source(self, column: int, window: Window) -> np.ndarray:
        """The position in the reference frame that each pixel of a frame shows.

        Args:
            column: Index of the frame in the tracks.
            window: Rows and columns of the frame.

        Returns:
            float32 ``[h, w, 2]``, pixels of the reference frame.
        """
        inverse = np.linalg.inv(self.path.matrices[column])
        mean = apply_motion(inverse, _pixels(window, 1))
        if self.kind != MESH or not self.path.known[column]:
            return mean.astype(np.float32)
        h, w = mean.shape[:2]
        local = cv2.resize(self._correction(column, window, inverse), None, fx=CELL, fy=CELL)
        return (mean + local[:h, :w]).astype(np.float32)

    def _correction(self, column: int, window: Window, inverse: np.ndarray) -> np.ndarray:
        """What the mean motion misses, for each cell of a window: float64 ``[h, w, 2]``."""
        rows = np.flatnonzero(self.visible[:, column])
        here = self.tracks.xy[rows, column].astype(np.float64)
        missed = self.points[rows] - apply_motion(inverse, here)
        scale = 1 / np.sqrt(abs(np.linalg.det(inverse[:2, :2])))
        spacing = self.spacing * scale
        weights = np.ones(len(rows))
        fit = _LocalFit(window, spacing)
        for _ in range(2):
            values = fit(here, missed, weights)  # a point that its neighbours contradict
            error = np.linalg.norm(fit.sample(values, here) - missed, axis=1)
            weights = 1 / (1 + (error / OUTLIER) ** 4)
        return fit(here, missed, weights)

    def visibility(self, column: int, source: np.ndarray) -> np.ndarray:
        """How visible the surface is at positions of the reference frame.

        Points that are outside of the frame do not count.

        Args:
            column: Index of the frame in the tracks.
            source: ``[h, w, 2]``, as `source` returns it.

        Returns:
            float32 ``[h, w]`` in [0, 1].
        """
        inside = self._inside(column)
        if not inside.any():
            return np.zeros(source.shape[:2], np.float32)
        seen = self.seen[inside, column]
        grid = _Splat(self.points[inside], self.spacing)
        share = grid.mean(seen)
        soft = (share - HIDDEN_BELOW) / (VISIBLE_ABOVE - HIDDEN_BELOW)
        return cv2.remap(
            soft.clip(0, 1).astype(np.float32),
            *grid.positions(source),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )

    def _inside(self, column: int) -> np.ndarray:
        """Points that are inside the frame if they follow the mean motion, bool ``[N]``."""
        x, y = apply_motion(self.path.matrices[column], self.points).T
        W, H = self.tracks.size
        return np.asarray((x >= 0) & (y >= 0) & (x <= W - 1) & (y <= H - 1))

    def visible_share(self, column: int) -> float:
        """Share of the points inside the frame that are visible; 1, if all are outside."""
        inside = self._inside(column)
        return float(self.visible[inside, column].mean()) if inside.any() else 1.0


def _pixels(window: Window, step: int) -> np.ndarray:
    """Positions of the pixels, or of the centres of cells, of a window: ``[h, w, 2]``."""
    rows, columns = window
    y = np.arange(rows.start, rows.stop, step) + (step - 1) / 2
    x = np.arange(columns.start, columns.stop, step) + (step - 1) / 2
    return np.stack(np.meshgrid(x, y), -1)


class _LocalFit:
    """Affine maps fitted around each cell of a window, with Gaussian weights.

    Args:
        window: Rows and columns of a frame.
        spacing: Distance of neighbouring points in pixels.
    """

    def __init__(self, window: Window, spacing: float) -> None:
        self.cells = _pixels(window, CELL)
        self.first = self.cells[0, 0]
        self.spacing = spacing

    def __call__(self, xy: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The values ``[h, w, 2]`` of the maps at the cells.

        Args:
            xy: ``[N, 2]``, positions in pixels.
            values: ``[N, 2]``, values there.
            weights: ``[N]``.
        """
        p = (xy - self.first) / self.spacing  # of order 1, for the condition of the fits
        x, y = p.T
        u, v = values.T
        terms = (np.ones_like(x), x, y, x * x, x * y, y * y, u, v, x * u, y * u, x * v, y * v)
        sums = self._blurred(xy, np.stack(terms, -1) * weights[:, None])
        s = np.maximum(sums[..., 0], 1e-12)
        mx, my, sxx, sxy, syy, mu, mv, sxu, syu, sxv, syv = sums[..., 1:].T / s.T
        a, b, d = sxx - mx * mx + RIDGE, sxy - mx * my, syy - my * my + RIDGE
        determinant = a * d - b * b
        cx, cy = ((self.cells - self.first) / self.spacing).T
        fitted = []
        for mean, sx, sy in ((mu, sxu, syu), (mv, sxv, syv)):
            gx, gy = sx - mx * mean, sy - my * mean
            slope_x, slope_y = (d * gx - b * gy) / determinant, (a * gy - b * gx) / determinant
            fitted.append(mean + slope_x * (cx - mx) + slope_y * (cy - my))
        return np.stack(fitted).T

    def _blurred(self, xy: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Sums of values ``[N, C]`` around each cell, ``[h, w, C]``; points outside count, too."""
        return _splatted(
            (xy - self.first) / CELL, values, self.cells.shape[:2], self.spacing / CELL
        )

    def sample(self, values: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """Values ``[h, w, 2]`` of the cells at positions ``[N, 2]``, bilinear."""
        x, y = ((xy - self.first) / CELL).astype(np.float32).T
        maps = x[None], y[None]
        sampled = cv2.remap(
            values.astype(np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(sampled[0], np.float64)


class _Splat:
    """Means of values of points, on a grid over the reference frame.

    Args:
        points: ``[N, 2]``, pixels of the reference frame.
        spacing: Distance of neighbouring points; also that of the grid.
    """

    def __init__(self, points: np.ndarray, spacing: float) -> None:
        self.first = points.min(0) - 3 * spacing
        self.spacing = spacing
        self.at = (points - self.first) / spacing
        width, height = np.ceil(self.at.max(0)).astype(int) + 4
        self.shape = (int(height), int(width))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of values ``[N]`` around each node of the grid."""
        both = np.stack([values, np.ones_like(values)], -1).astype(np.float64)
        sums = _splatted(self.at, both, self.shape, 1.0) + 1e-9 * both.mean(0)
        return np.asarray(sums[..., 0] / sums[..., 1])

    def positions(self, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of the reference frame as columns and rows of the grid, float32."""
        x, y = np.moveaxis((source - self.first) / self.spacing, -1, 0).astype(np.float32)
        return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _splatted(
    at: np.ndarray, values: np.ndarray, shape: tuple[int, int], spacing: float
) -> np.ndarray:
    """Gaussian sums of values on a grid, near and far points together.

    Args:
        at: ``[N, 2]``, columns and rows of the grid; those outside are left out.
        values: ``[N, C]``.
        shape: Rows and columns of the grid.
        spacing: Distance of neighbouring points, in cells.

    Returns:
        float64 ``[h, w, C]``.
    """
    h, w = shape
    column, row = np.rint(at).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < w) & (row < h)
    index = row[inside] * w + column[inside]
    planes = [np.bincount(index, v[inside], h * w).reshape(h, w) for v in values.T]
    total = []
    for plane in planes:
        near, far = (
            cv2.GaussianBlur(plane, (0, 0), max(0.5, k * spacing), borderType=cv2.BORDER_CONSTANT)
            for k in (NEAR, FAR)
        )
        total.append(near + FAR_WEIGHT * far)
    return np.stack(total, -1)
