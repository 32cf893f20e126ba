"""`reconstruct`: from a video to a folder with cameras and points."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motes.common.files import replacing
from motes.common.progress import Progress, silent
from motes.edit.defaults import default_tracker
from motes.errors import FileError, InputError
from motes.queries.corners import detect_corners
from motes.queries.points import Queries
from motes.sfm.checks import MIN_FRAMES
from motes.sfm.files import write_files
from motes.sfm.picture import draw_cloud
from motes.sfm.reconstruction import Reconstruction
from motes.sfm.solver import MAX_FRAMES, require_colmap, solve
from motes.tracks import Tracks

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video

ANCHORS = 8
"""Frames in which points are chosen, at most."""

POINTS = 250
"""Corners that are chosen in each of them."""

DATABASE = "tracks.colmap.db"


def reconstruct(
    video: Any,
    out: str | PathLike[str],
    *,
    tracker: Tracker | None = None,
    max_frames: int = MAX_FRAMES,
    progress: Progress | None = None,
) -> Reconstruction:
    """Reconstruct the camera's path and a sparse cloud of points from a video.

    Args:
        video: Anything that `motes.open_video` takes and that can be read twice.
        out: A new or an empty folder; it receives COLMAP's text files and database, ``points.ply``,
            ``camera.chan``, ``camera.py``, ``report.json`` and a picture, ``cloud.png``.
        tracker: A tracker of `motes.load`; default: the default model.
        max_frames: Frames that are solved together, evenly spread.
        progress: Called with the number of frames just tracked.

    Returns:
        The cameras and points.

    Raises:
        InputError: The video is too short, or shows no motion, no parallax or too little texture.
        FileError: The video cannot be read, or the folder cannot be written.
        MissingExtraError: pycolmap is not installed.

    Example:
        >>> from motes.sfm import reconstruct
        >>> scene = reconstruct("orbit.mp4", "orbit/")  # doctest: +SKIP
    """
    from motes.video import open_video

    require_colmap()
    folder = _check_folder(out)
    if max_frames < MIN_FRAMES:
        raise InputError(f"max_frames: expected at least {MIN_FRAMES}, got {max_frames}")
    source = open_video(video)
    tracks = track_scene(tracker or default_tracker(), source, progress)
    with replacing(folder) as temporary:
        temporary.mkdir()
        scene = solve(tracks, max_frames, temporary / DATABASE)
        scene = replace(scene, colors=_colors(source, tracks, scene.ids))
        write_files(scene, temporary)
        draw_cloud(scene, temporary / "cloud.png")
    return scene


def _check_folder(out: str | PathLike[str]) -> Path:
    folder = Path(out).expanduser()
    if not folder.parent.is_dir():
        raise FileError(f"{out}: expected an existing folder, {folder.parent} is none")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileError(f"{out}: expected a new or an empty folder, found one with content")
    return folder


def track_scene(tracker: Tracker, video: Video, progress: Progress | None = None) -> Tracks:
    """Track corners of several frames, forward and backward through the whole video.

    Raises:
        InputError: The video has fewer than three frames, or no corners.

    Example:
        >>> from motes.sfm.pipeline import track_scene
        >>> track_scene(tracker, motes.open_video("bike.mp4")).num_frames
        12
    """
    count = video.num_frames or sum(1 for _ in video)
    if count < MIN_FRAMES:
        raise InputError(f"{video.name}: expected at least {MIN_FRAMES} frames, got {count}")
    anchors = np.unique(np.linspace(0, count - 1, min(count, ANCHORS)).round().astype(int))
    chosen = []
    for at in (video.start + anchors).tolist():
        try:
            chosen.append(detect_corners(video.read(at, at + 1)[0], POINTS, at).txy)
        except InputError:  # a frame without corners
            continue
    if not chosen:
        raise InputError(f"{video.name}: expected corners to track, found none")
    queries = Queries(np.concatenate(chosen))
    return tracker.track(video, queries, backward=True, progress=progress or silent)


def _colors(video: Video, tracks: Tracks, ids: np.ndarray) -> np.ndarray:
    """The colour of each point in the frame in which it was chosen: uint8 ``[M, 3]``."""
    colors = np.zeros((len(ids), 3), np.uint8)
    order = np.argsort(tracks.ids)
    queries = tracks.queries[order[np.searchsorted(tracks.ids, ids, sorter=order)]]
    for at in np.unique(queries[:, 0]).astype(int).tolist():
        frame = video.read(at, at + 1)[0]
        rows = queries[:, 0] == at
        limit = np.array(frame.shape[1::-1]) - 1
        x, y = np.rint(queries[rows, 1:]).clip(0, limit).astype(int).T
        colors[rows] = frame[y, x]
    return colors
