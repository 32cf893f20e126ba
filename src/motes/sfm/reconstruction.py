"""`Reconstruction`: cameras and points in one world, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """K cameras with one focal length, and M points.

    The world is that of COLMAP: of unknown scale, about x right, y down, z forward of the first
    camera.  Cameras look along their z axis, x right, y down.

    Attributes:
        frames: int64 ``[K]``, numbers of the frames that have a pose, ascending.
        rotations: float64 ``[K, 3, 3]``, from the world to each camera.
        centres: float64 ``[K, 3]``, positions of the cameras in the world.
        focal: Focal length in pixels.
        principal: Pixel ``(x, y)`` on the axis; whole numbers are pixel centres.
        distortion: Radial: a point at radius r (r = 1: 45 degrees) moves to r (1 + k r^2).
        points: float64 ``[M, 3]``.
        colors: uint8 ``[M, 3]``, RGB.
        ids: int64 ``[M]``, the id of the track of each point.
        error: Mean reprojection error in pixels.
        num_frames: Frames of the video that were to get a pose.
        size: Width and height of the video.
        fps: Frames per second.

    Example:
        >>> from motes.sfm import Reconstruction
        >>> scene = Reconstruction(
        ...     frames=np.array([0]),
        ...     rotations=np.eye(3)[None],
        ...     centres=np.zeros((1, 3)),
        ...     focal=100.0,
        ...     principal=(47.5, 35.5),
        ...     distortion=0.0,
        ...     points=np.array([[0.0, 0, 5]]),
        ...     colors=np.zeros((1, 3), np.uint8),
        ...     ids=np.array([0]),
        ...     error=0.0,
        ...     num_frames=1,
        ...     size=(96, 72),
        ...     fps=25,
        ... )
        >>> scene.project(0, scene.points).tolist()
        [[47.5, 35.5]]
    """

    frames: np.ndarray
    rotations: np.ndarray
    centres: np.ndarray
    focal: float
    principal: tuple[float, float]
    distortion: float
    points: np.ndarray
    colors: np.ndarray
    ids: np.ndarray
    error: float
    num_frames: int
    size: tuple[int, int]
    fps: Fraction

    def project(self, k: int, points: np.ndarray) -> np.ndarray:
        """Pixels ``[M, 2]`` of points ``[M, 3]`` of the world in camera k."""
        local = (points - self.centres[k]) @ self.rotations[k].T
        slope = local[:, :2] / local[:, 2:]
        slope = slope * (1 + self.distortion * (slope**2).sum(1, keepdims=True))
        return np.asarray(self.focal * slope + self.principal)

    def summary(self) -> str:
        """One line for people."""
        W, _ = self.size
        angle = 2 * np.degrees(np.arctan(W / 2 / self.focal))
        return (
            f"{len(self.frames)} of {self.num_frames} frames, {len(self.points)} points, "
            f"reprojection error {self.error:.2f} px, focal length {self.focal:.1f} px "
            f"({angle:.0f} degrees across)"
        )
