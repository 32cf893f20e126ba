"""`solve`: cameras and points from tracks, by COLMAP (pycolmap)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from motes.coordinates import from_corner
from motes.errors import InputError, MissingExtraError
from motes.export import save
from motes.sfm.checks import check_solvable
from motes.sfm.reconstruction import Reconstruction
from motes.tracks import Tracks

MAX_FRAMES = 60
"""Frames that are solved together; the others get their poses afterwards."""

WHOLE_SHARE = 0.5
"""A point is kept if it agrees with its track in at least this share of the frames."""

MIN_VIEWS = 3
"""A kept point also agrees with its track in at least this number of frames."""

MAX_ERROR = 2.0
"""Largest reprojection error in pixels; tracks are more exact than the features of images."""

PNP_TOLERANCE = 3.0
"""Reprojection error in pixels up to which a point supports a pose."""

PNP_MIN_POINTS = 12


def solve(
    tracks: Tracks, max_frames: int = MAX_FRAMES, database: str | PathLike[str] | None = None
) -> Reconstruction:
    """Reconstruct cameras and points from tracks of a scene at rest.

    Points on moving objects are rejected by the solver, while they are fewer than the others.

    Args:
        tracks: Points that are visible in several frames.
        max_frames: Frames that are solved together, evenly spread; the poses of the other frames
            are computed from the points afterwards.
        database: Where the database of COLMAP is kept; default: nowhere.

    Returns:
        The cameras and points; colours are grey.

    Raises:
        InputError: There are too few frames or shared points, no parallax, or no solution.
        MissingExtraError: pycolmap is not installed.

    Example:
        >>> from motes.sfm import solve
        >>> scene = solve(tracks)  # doctest: +SKIP
        >>> scene.centres.shape  # doctest: +SKIP
    """
    colmap = require_colmap()
    chosen = _spread(tracks.num_frames, max_frames)
    part = _columns(tracks, chosen)
    check_solvable(part)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "tracks.colmap.db"
        save(part, path)
        scene = _map(colmap, path, Path(name))
        if database is not None:
            Path(database).write_bytes(path.read_bytes())
    return _with_other_frames(_read(scene, tracks, part, chosen), tracks)


def require_colmap() -> Any:
    """The module pycolmap.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pycolmap
    except ImportError:
        raise MissingExtraError("Structure from motion", "sfm") from None
    return pycolmap


def _spread(T: int, most: int) -> np.ndarray:
    """Columns that are solved together, evenly spread, with both ends."""
    return np.unique(np.linspace(0, T - 1, min(T, most)).round().astype(int))


def _columns(tracks: Tracks, chosen: np.ndarray) -> Tracks:
    """Some frames as consecutive ones, from number 0 on."""
    return Tracks(
        tracks.xy[:, chosen],
        tracks.visible[:, chosen],
        tracks.confidence[:, chosen],
        ids=tracks.ids,
        size=tracks.size,
        fps=tracks.fps,
    )


def _map(colmap: Any, database: Path, folder: Path) -> Any:
    """The largest model that COLMAP finds."""
    colmap.logging.minloglevel = 3  # its errors come as ours
    colmap.logging.alsologtostderr = False
    colmap.geometric_verification(database)
    options = colmap.IncrementalPipelineOptions()
    options.extract_colors = False
    options.multiple_models = False
    options.random_seed = 0
    options.mapper.random_seed = 0
    options.mapper.filter_max_reproj_error = MAX_ERROR
    options.triangulation.complete_max_reproj_error = MAX_ERROR
    options.triangulation.merge_max_reproj_error = MAX_ERROR
    (folder / "model").mkdir()
    models = colmap.incremental_mapping(database, folder, folder / "model", options)
    if not models:
        raise InputError(
            "expected a solution, COLMAP found none: too few points agree on one rigid scene, or "
            "the camera moves too little between frames"
        )
    return max(models.values(), key=lambda model: model.num_reg_images())


def _read(model: Any, tracks: Tracks, part: Tracks, chosen: np.ndarray) -> Reconstruction:
    """A model of COLMAP as our value; coordinates are converted to pixel centres."""
    (camera,) = model.cameras.values()
    f, cx, cy, k = camera.params
    images = {int(image.name[6:12]): image for image in model.images.values() if image.has_pose}
    columns = sorted(images)
    poses = [images[c].cam_from_world() for c in columns]
    number = {image.image_id: column for column, image in images.items()}
    whole = _whole_points(model, part, number)
    points = list(whole.values())
    return Reconstruction(
        frames=tracks.start + chosen[columns],
        rotations=np.stack([pose.rotation.matrix() for pose in poses]),
        centres=np.stack([images[c].projection_center() for c in columns]),
        focal=float(f),
        principal=(float(from_corner(cx)), float(from_corner(cy))),
        distortion=float(k),
        points=np.array([p.xyz for p in points]).reshape(-1, 3),
        colors=np.full((len(points), 3), 160, np.uint8),
        ids=tracks.ids[list(whole)],
        error=float(model.compute_mean_reprojection_error()),
        num_frames=tracks.num_frames,
        size=tracks.size,
        fps=tracks.fps,
    )


def _whole_points(model: Any, part: Tracks, number: dict[int, int]) -> dict[int, Any]:
    """The points by the row of their track, if they agree with most of it.

    COLMAP splits the track of a moving object into several points of few frames each.
    """
    rows = [np.flatnonzero(part.visible[:, column]) for column in range(part.num_frames)]
    best: dict[int, Any] = {}
    for point in model.points3D.values():
        first = point.track.elements[0]
        row = int(rows[number[first.image_id]][first.point2D_idx])
        if row not in best or point.track.length() > best[row].track.length():
            best[row] = point
    seen = part.visible[:, list(number.values())].sum(1)
    least = {row: max(MIN_VIEWS, WHOLE_SHARE * seen[row]) for row in best}
    return {row: best[row] for row in sorted(best) if best[row].track.length() >= least[row]}


def _with_other_frames(scene: Reconstruction, tracks: Tracks) -> Reconstruction:
    """Add the frames that COLMAP did not solve, from the points that are visible in them."""
    poses = _Poses(scene, tracks)
    missing = sorted(set(tracks.frames) - set(scene.frames.tolist()))
    added = {number: pose for number in missing if (pose := poses.at(number)) is not None}
    if not added:
        return scene
    frames = np.concatenate([scene.frames, list(added)])
    rotations = np.concatenate([scene.rotations, [r for r, _ in added.values()]])
    centres = np.concatenate([scene.centres, [c for _, c in added.values()]])
    order = np.argsort(frames)
    return replace(scene, frames=frames[order], rotations=rotations[order], centres=centres[order])


@dataclass(frozen=True)
class _Poses:
    """Poses of single frames, from points that are known (perspective n-point)."""

    scene: Reconstruction
    tracks: Tracks

    def at(self, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Rotation ``[3, 3]`` and centre ``[3]`` of a frame; None with too few points."""
        scene, tracks = self.scene, self.tracks
        order = np.argsort(tracks.ids)
        rows = order[np.searchsorted(tracks.ids, scene.ids, sorter=order)]
        column = number - tracks.start
        seen = tracks.visible[rows, column]
        if seen.sum() < PNP_MIN_POINTS:
            return None
        (cx, cy), f = scene.principal, scene.focal
        matrix = np.array([[f, 0, cx], [0, f, cy], [0, 0, 1]])
        lens = np.array([scene.distortion, 0, 0, 0])
        pixels = tracks.xy[rows[seen], column].astype(np.float64)
        solved, turn, shift, inliers = cv2.solvePnPRansac(
            scene.points[seen], pixels, matrix, lens, reprojectionError=PNP_TOLERANCE
        )
        if not solved or inliers is None or len(inliers) < PNP_MIN_POINTS:
            return None
        use = inliers.ravel()
        turn, shift = cv2.solvePnPRefineLM(
            scene.points[seen][use], pixels[use], matrix, lens, turn, shift
        )
        rotation = cv2.Rodrigues(turn)[0]
        return rotation, (-rotation.T @ shift).ravel()
