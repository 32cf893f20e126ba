"""`stabilise`: take the shaking of the camera out of a video."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from motes.common.files import check_overwrites
from motes.common.progress import Progress, silent
from motes.common.registry import suggest
from motes.edit.borders import BORDERS, crop_zoom, stabilised_frames
from motes.edit.camera import MIN_INLIERS, POINTS, smooth_path, track_camera
from motes.edit.defaults import default_tracker
from motes.edit.fits import MotionPath, apply_motion, check_kind, fit_path
from motes.edit.region import track_region
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video


@dataclass(frozen=True)
class Stabilisation:
    """The motion of a video before and after it is stabilised.

    Attributes:
        corrections: float64 ``[T, 3, 3]``, maps pixels of each frame to those of its stabilised
            frame; without a zoom.
        before: float64 ``[T, 3, 3]``, the motion from the first frame to each frame.
        after: The same in the stabilised video.
        known: bool ``[T]``: whether the motion of the frame was measured, not interpolated.
        size: Width and height in pixels.

    Example:
        >>> from motes.edit import stabilise
        >>> result = stabilise("bike.mp4", "fixed_too.mp4", lock=0)
        >>> before, after = result.jitter()
        >>> bool(result.known.all()), result.size
        (True, (96, 72))
    """

    corrections: np.ndarray
    before: np.ndarray
    after: np.ndarray
    known: np.ndarray
    size: tuple[int, int]

    @property
    def steps(self) -> np.ndarray:
        """The motion that remains from each stabilised frame to the next: ``[T - 1, 3, 3]``."""
        return self.after[1:] @ np.linalg.inv(self.after[:-1])

    def jitter(self) -> tuple[float, float]:
        """RMS change of the velocity of the frame's centre, before and after, in pixels a frame.

        A camera that pans evenly has none.
        """
        before, after = (_acceleration(path, self.size) for path in (self.before, self.after))
        return before, after


def _acceleration(path: np.ndarray, size: tuple[int, int]) -> float:
    centre = np.array([[(size[0] - 1) / 2, (size[1] - 1) / 2]])
    second = np.diff(apply_motion(path, centre)[:, 0], 2, axis=0)
    return float(np.sqrt((second**2).sum(1).mean())) if len(second) else 0.0


def stabilise(
    video: Any,
    out: str | PathLike[str],
    *,
    tracker: Tracker | None = None,
    kind: str = "similarity",
    smoothness: float = 0.5,
    lock: int | None = None,
    follow: str | PathLike[str] | np.ndarray | None = None,
    borders: str = "crop",
    progress: Progress | None = None,
) -> Stabilisation:
    """Stabilise a video: estimate the motion of its background, smooth it, and move the frames.

    Args:
        video: Anything that `motes.open_video` takes and that can be read twice.
        out: The file; its suffix chooses the format (.mp4, .gif, or a folder of images).
        tracker: A tracker of `motes.load`; default: ``"lk"``, which is fast and needs corners only.
        kind: Motion of the background: ``"translation"``, ``"similarity"``, ``"affine"`` or
            ``"homography"``.
        smoothness: How slow a motion must be to stay, in seconds (deviation of the smoothing).
        lock: Instead of smoothing, hold the background as it is in this frame.
        follow: Instead of the background, hold the object inside this mask of frame `lock`
            (default: the first frame); an image file or an array ``[H, W]``.
        borders: A key of `motes.edit.borders.BORDERS`.
        progress: Called with the number of frames just tracked, and again just written.

    Returns:
        The measured motion and the corrections.

    Raises:
        InputError: An option does not fit, the video has one frame, or has too little to track.
        FileError: The video cannot be read, or the output cannot be written.

    Example:
        >>> from motes.edit import stabilise
        >>> result = stabilise("bike.mp4", "fixed.mp4", lock=0, borders="fill")
        >>> result.corrections.shape
        (12, 3, 3)
        >>> _ = stabilise("bike.mp4", "steady.mp4", smoothness=1.0)
    """
    from motes.video import check_output, open_video

    check_kind(kind)
    if borders not in BORDERS:
        raise suggest(borders, BORDERS, "way to treat borders")
    check_output(out)
    source = open_video(video)
    check_overwrites([out], source.files)
    advance = progress or silent
    tracker = tracker or default_tracker("lk")
    if lock is None and follow is None:
        result = _smoothed(tracker, source, kind, smoothness, advance)
    else:
        result = _locked(tracker, source, kind, lock, follow, advance)
    write_stabilised(source, result, out, borders, advance)
    return result


def _smoothed(
    tracker: Tracker, source: Video, kind: str, smoothness: float, advance: Progress
) -> Stabilisation:
    path = track_camera(tracker, source, kind, advance)
    corrections = smooth_path(path, smoothness * float(source.fps))
    before = path.chain()
    after = corrections @ before @ np.linalg.inv(corrections[0])
    known = np.concatenate([[True], path.known])
    return Stabilisation(corrections, before, after, known, source.size)


def _locked(
    tracker: Tracker,
    source: Video,
    kind: str,
    lock: int | None,
    follow: str | PathLike[str] | np.ndarray | None,
    advance: Progress,
) -> Stabilisation:
    at = source.start if lock is None else lock
    path = _path_from(tracker, source, kind, at, follow, advance)
    if not path.known.all():
        lost = np.flatnonzero(~path.known) + source.start
        raise InputError(
            f"lock: frame {lost[0]} and {len(lost) - 1} more share fewer than {MIN_INLIERS} "
            f"points with frame {at}; smoothing, without a lock, needs no common frame"
        )
    corrections = np.linalg.inv(path.matrices)
    before = path.matrices @ np.linalg.inv(path.matrices[0])
    after = np.tile(np.eye(3), (len(before), 1, 1))
    return Stabilisation(corrections, before, after, path.known, source.size)


def _path_from(
    tracker: Tracker,
    source: Video,
    kind: str,
    at: int,
    follow: str | PathLike[str] | np.ndarray | None,
    advance: Progress,
) -> MotionPath:
    """Motion from frame `at` to every frame: of the background, or of what is in the mask."""
    if follow is None:
        tracks = tracker.track(source, corners=POINTS, at=at, backward=True, progress=advance)
    else:
        tracks = track_region(tracker, source, follow, at, progress=advance)
    if tracks.num_frames < 2:
        raise InputError(f"{source.name}: expected at least two frames, got {tracks.num_frames}")
    return fit_path(tracks, at, kind, min_inliers=MIN_INLIERS)


def write_stabilised(
    source: Video, result: Stabilisation, out: str | PathLike[str], borders: str, advance: Progress
) -> None:
    """Write the frames of a video, moved by the corrections."""
    from motes.edit.output import write_video

    corrections, steps = result.corrections, result.steps
    if borders == "crop":
        corrections = crop_zoom(corrections, result.size) @ corrections
    frames = stabilised_frames(source, corrections, steps, borders)
    write_video(source, frames, out, advance)
