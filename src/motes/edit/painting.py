"""`paint`: what was changed in one frame by any program, carried through the whole video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from motes.common.files import check_overwrites
from motes.common.progress import Progress, silent
from motes.edit.compositing import over, sample, shading
from motes.edit.content import read_rgba
from motes.edit.defaults import default_tracker
from motes.edit.occlusion import visible_pixels
from motes.edit.output import write_video
from motes.edit.recovery import recovered
from motes.edit.region import bounding_box, track_region
from motes.edit.surface import Surface
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video

Picture = str | PathLike[str] | np.ndarray

CHANGED = 12
"""Difference of a colour channel, of 255, from which a pixel counts as changed."""

EDGE = 0.8
"""Deviation in pixels of the soft edge of a change."""

AROUND = 3
"""Points are tracked up to this many pixels around a change."""


@dataclass(frozen=True)
class Change:
    """A change of one frame, and the surface that carries it.

    Attributes:
        at: Number of the frame.
        edited: float32 ``[H, W, 3]`` in 0 .. 255.
        original: The same, before the change.
        alpha: float32 ``[H, W]``, 1 where it is changed, with a soft edge.
        surface: The motion of the changed part.

    Example:
        >>> from motes.edit import paint
        >>> edited = motes.open_video("bike.mp4")[0].copy()
        >>> edited[20:40, 30:60] = 255
        >>> [change] = paint("bike.mp4", [(edited, 0)], "white.mp4", tracker=tracker)
        >>> change.at, change.edited.shape
        (0, (72, 96, 3))
    """

    at: int
    edited: np.ndarray
    original: np.ndarray
    alpha: np.ndarray
    surface: Surface

    def layer(self, column: int, frame: np.ndarray, relight: bool) -> np.ndarray:
        """The change in one frame, and where its surface is visible.

        Args:
            column: Index of the frame in the tracks.
            frame: uint8 ``[H, W, 3]``, the original frame.
            relight: Whether it gets brighter and darker with the surface.

        Returns:
            float32 ``[H, W, 5]``: premultiplied RGBA in [0, 1], and the visibility.
        """
        canvas = np.zeros((*frame.shape[:2], 5), np.float32)
        window = self.surface.window(column, bounding_box(self.alpha > 0.01))
        if window is None:
            return canvas
        source = self.surface.source(column, window)
        expected = sample(self.original, source)
        visible = visible_pixels(self.surface, column, source, frame[window], expected)
        color = sample(self.edited, source)
        if relight:
            color = color * shading(frame[window], expected, visible)
        alpha = sample(self.alpha, source) * visible
        part = canvas[window]
        part[..., :3] = (color / 255).clip(0, 1) * alpha[..., None]
        part[..., 3], part[..., 4] = alpha, visible
        return canvas


def paint(
    video: Any,
    edits: Sequence[tuple[Picture, int]],
    out: str | PathLike[str],
    *,
    relight: bool = True,
    tracker: Tracker | None = None,
    progress: Progress | None = None,
) -> tuple[Change, ...]:
    """Carry the changes of edited frames through a video, forward and backward.

    What differs from the original frame is the change.  It moves and bends with the surface below,
    is hidden where that is hidden, and gets brighter and darker with it.  Between two edited
    frames, one change fades into the other.

    Args:
        video: Anything that `motes.open_video` takes and that can be read twice.
        edits: Pairs of an edited frame (image file without loss, or uint8 array ``[H, W, 3]``) and
            its number.
        out: The file; its suffix chooses the format (.mp4, .gif, or a folder of images).
        relight: Whether the change takes over light and shadow of the surface.
        tracker: A tracker of `motes.load`; default: the default model.
        progress: Called with the number of frames just tracked, compared or written.

    Returns:
        The changes, in the order of their frames.

    Raises:
        InputError: An edited frame has another size, differs nowhere, or its number is none of the
            video.
        FileError: Something cannot be read or written.

    Example:
        >>> from motes.edit import paint
        >>> edited = motes.open_video("bike.mp4")[0].copy()
        >>> edited[20:40, 30:60] = (255, 0, 0)
        >>> [change] = paint("bike.mp4", [(edited, 0)], "red.mp4", tracker=tracker)
        >>> change.alpha.shape
        (72, 96)
    """
    from motes.video import check_output, open_video

    advance = progress or silent
    if not edits:
        raise InputError("edits: expected at least one edited frame, got none")
    check_output(out)
    source = open_video(video)
    files = [edit for edit, _ in edits if not isinstance(edit, np.ndarray)]
    check_overwrites([out], [*source.files, *files])
    found = [_difference(source, edit, at) for edit, at in edits]
    tracker = tracker or default_tracker()
    changes = tuple(
        Change(at, edited, original, alpha, _surface(tracker, source, alpha, at, advance))
        for at, edited, original, alpha in sorted(found, key=lambda part: part[0])
    )
    write_video(source, painted_frames(source, changes, relight), out, advance)
    return changes


def _difference(
    video: Video, edit: Picture, at: int
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """The frame's number, the edited and the original frame, and the alpha of the change."""
    name = "edit" if isinstance(edit, np.ndarray) else str(edit)
    picture = edit if isinstance(edit, np.ndarray) else read_rgba(Path(edit).expanduser())
    W, H = video.size
    if picture.shape[:2] != (H, W):
        got = f"{picture.shape[1]}x{picture.shape[0]}"
        raise InputError(f"{name}: expected the size of the video, {W}x{H}, got {got}")
    frames = list(video.read(at, at + 1)) if at >= video.start else []
    if not frames:
        raise InputError(f"{name}: expected a frame of {video.name}, got {at}")
    original, edited = frames[0].astype(np.float32), picture[..., :3].astype(np.float32)
    if picture.shape[2] == 4:
        opacity = picture[..., 3:].astype(np.float32) / 255
        edited = np.asarray(opacity * edited + (1 - opacity) * original, np.float32)
    changed = (np.abs(edited - original).max(-1) > CHANGED).astype(np.uint8)
    changed = cv2.medianBlur(changed, 3)
    if not changed.any():
        raise InputError(f"{name}: expected a change of frame {at}, found no difference")
    return at, edited, original, cv2.GaussianBlur(changed.astype(np.float32), (0, 0), EDGE)


def _surface(
    tracker: Tracker, video: Video, alpha: np.ndarray, at: int, advance: Progress
) -> Surface:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * AROUND + 1, 2 * AROUND + 1))
    region = cv2.dilate((alpha > 0.5).astype(np.uint8), kernel)
    return recovered(Surface(track_region(tracker, video, region, at, advance), at), video, advance)


def painted_frames(
    video: Video, changes: Sequence[Change], relight: bool = True
) -> Iterator[np.ndarray]:
    """The frames of a video with all changes, uint8 ``[H, W, 3]``."""
    for column, frame in enumerate(video):
        number = video.start + column
        weighted = np.zeros((*frame.shape[:2], 4), np.float32)
        total = np.zeros(frame.shape[:2], np.float32)
        for share, change in nearest_changes(changes, number):
            layer = change.layer(column, frame, relight)
            weight = share * layer[..., 4]
            weighted += weight[..., None] * layer[..., :4]
            total += weight
        mixed = weighted / np.maximum(total, 1e-6)[..., None]
        whole = (slice(0, frame.shape[0]), slice(0, frame.shape[1]))
        yield over(frame, whole, mixed)


def nearest_changes(changes: Sequence[Change], number: int) -> list[tuple[float, Change]]:
    """The one or two changes around a frame, with weights that sum to 1."""
    times = [change.at for change in changes]
    after = next((k for k, time in enumerate(times) if time >= number), len(times))
    if after == 0 or after == len(times):
        return [(1.0, changes[min(after, len(times) - 1)])]
    share = (number - times[after - 1]) / (times[after] - times[after - 1])
    return [(1 - share, changes[after - 1]), (share, changes[after])]
