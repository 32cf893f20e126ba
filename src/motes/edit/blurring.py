"""`blur`: follow a region and make it unrecognisable, so that it is never left uncovered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from motes.common.files import check_overwrites
from motes.common.progress import Progress, silent
from motes.common.registry import suggest
from motes.edit.compositing import sample
from motes.edit.defaults import default_tracker
from motes.edit.output import write_video
from motes.edit.recovery import recovered
from motes.edit.region import bounding_box, track_region
from motes.edit.surface import Surface, Window
from motes.errors import InputError
from motes.queries.mask import read_mask

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video

Mask = str | PathLike[str] | np.ndarray

LOST_BELOW = 0.15
"""A region of which a smaller share of the points is visible is lost."""

FOUND_AGAIN = 0.5
"""A lost region counts as found where the regions of other masks cover this share of it."""

# Margins, as shares of the diameter of the region.
BASE_MARGIN = 0.03
HIDDEN_MARGIN = 0.15
"""Added where all points are hidden, and in proportion where some are."""
LOST_MARGIN = 0.02
"""Added for each frame since the region was last found."""
MAX_MARGIN = 0.5

FEATHER = 3.0
"""Width of the soft edge in pixels, outside of the margin."""


@dataclass(frozen=True)
class Cover:
    """A region and its appearance in every frame.

    Attributes:
        surface: Its motion.
        mask: The region in the reference frame, bool ``[H, W]``.

    Example:
        >>> from motes.edit import blur
        >>> [cover] = blur("bike.mp4", [("mask.png", 0)], "covered.mp4", tracker=tracker).covers
        >>> cover.mask.shape, bool(cover.lost.any())
        ((72, 96), False)
    """

    surface: Surface
    mask: np.ndarray

    @cached_property
    def distance(self) -> np.ndarray:
        """Distance of every pixel of the reference frame from the region, float32 ``[H, W]``."""
        return cv2.distanceTransform(
            (~self.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
        )

    @cached_property
    def box(self) -> np.ndarray:
        """Corners of the bounding box in the reference frame, ``[4, 2]``."""
        return bounding_box(self.mask)

    @cached_property
    def diameter(self) -> float:
        """Of the region, in pixels."""
        return float(np.linalg.norm(self.box[2] - self.box[0]))

    @cached_property
    def lost(self) -> np.ndarray:
        """Frames in which the region should be visible and is not found, bool ``[T]``."""
        columns = range(self.surface.tracks.num_frames)
        hidden = [self.surface.visible_share(i) < LOST_BELOW for i in columns]
        return np.array(hidden) | ~self.surface.path.known

    def margin(self, column: int) -> float:
        """How far the cover reaches beyond the region, in pixels of the reference frame."""
        found = np.flatnonzero(~self.lost)
        since = np.abs(found - column).min() if len(found) else column
        hidden = 1 - self.surface.visible_share(column)
        share = BASE_MARGIN + HIDDEN_MARGIN * hidden + LOST_MARGIN * since
        return 2 + self.diameter * min(share, MAX_MARGIN)

    def alpha(self, column: int) -> tuple[Window, np.ndarray] | None:
        """The cover in one frame.

        Args:
            column: Index of the frame in the tracks.

        Returns:
            A window of the frame, and float32 ``[h, w]`` in [0, 1]; None where it is outside.
        """
        margin = self.margin(column)
        window = self.surface.window(column, _grown(self.box, margin))
        if window is None:
            return None
        positions = self.surface.source(column, window)
        H, W = self.mask.shape
        inside = positions.clip(0, (W - 1, H - 1))
        distance = sample(self.distance, inside) + np.linalg.norm(positions - inside, axis=-1)
        return window, (1 - (distance - margin) / FEATHER).clip(0, 1).astype(np.float32)


def _grown(box: np.ndarray, margin: float) -> np.ndarray:
    return box + margin * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


def gaussian(picture: np.ndarray, diameter: float, color: np.ndarray) -> np.ndarray:
    """Blur so strongly that a face is a stain."""
    return cv2.GaussianBlur(picture, (0, 0), max(4.0, diameter / 8))


def pixelate(picture: np.ndarray, diameter: float, color: np.ndarray) -> np.ndarray:
    """Large squares, about six across the region."""
    block = max(6, round(diameter / 8))
    h, w = picture.shape[:2]
    size = max(1, -(-w // block)), max(1, -(-h // block))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)


def fill(picture: np.ndarray, diameter: float, color: np.ndarray) -> np.ndarray:
    """One colour: the only effect from which nothing can be computed back."""
    return np.broadcast_to(color, picture.shape)


EFFECTS: dict[str, Callable[[np.ndarray, float, np.ndarray], np.ndarray]] = {
    "blur": gaussian,
    "pixelate": pixelate,
    "fill": fill,
}
"""From a picture ``[h, w, 3]``, the diameter in pixels and a colour to the changed picture."""


@dataclass(frozen=True)
class Blurred:
    """What `blur` did.

    Attributes:
        covers: One for each mask.
        lost: Numbers of the frames in which a region was not found.

    Example:
        >>> from motes.edit import blur
        >>> result = blur("bike.mp4", [("mask.png", 0)], "blurred.mp4", tracker=tracker)
        >>> len(result.covers)
        1
    """

    covers: tuple[Cover, ...]
    lost: tuple[int, ...]


def blur(
    video: Any,
    masks: Sequence[tuple[Mask, int]],
    out: str | PathLike[str],
    *,
    effect: str = "blur",
    color: tuple[int, int, int] = (0, 0, 0),
    strict: bool = False,
    tracker: Tracker | None = None,
    progress: Progress | None = None,
) -> Blurred:
    """Follow regions through a video and blur, pixelate or fill them.

    The cover is larger than the region, and grows where points of the region are hidden.  Where
    the region is lost, the cover stays at the expected position and grows on; these frames are
    reported, and a second mask of a later frame helps.

    Args:
        video: Anything that `motes.open_video` takes and that can be read twice.
        masks: Pairs of a mask (image file or array ``[H, W]``) and the number of its frame.
        out: The file; its suffix chooses the format (.mp4, .gif, or a folder of images).
        effect: A key of `EFFECTS`.
        color: RGB of the effect ``"fill"``.
        strict: Whether a lost region is an error; nothing is written then.
        tracker: A tracker of `motes.load`; default: the default model.
        progress: Called with the number of frames just tracked, compared or written.

    Returns:
        The covers, and the frames in which a region was lost.

    Raises:
        InputError: A mask is empty or does not fit the video, the effect is unknown, or `strict`
            is set and a region is lost.
        FileError: Something cannot be read or written.

    Example:
        >>> from motes.edit import blur
        >>> masks = [("mask.png", 0)]
        >>> result = blur("bike.mp4", masks, "private.mp4", effect="fill", tracker=tracker)
        >>> result.lost
        ()
    """
    from motes.video import check_output, open_video

    advance = progress or silent
    if effect not in EFFECTS:
        raise suggest(effect, EFFECTS, "effect")
    if not masks:
        raise InputError("masks: expected at least one mask, got none")
    check_output(out)
    source = open_video(video)
    files = [mask for mask, _ in masks if not isinstance(mask, np.ndarray)]
    check_overwrites([out], [*source.files, *files])
    regions = [(read_mask(mask, source.size), at) for mask, at in masks]
    tracker = tracker or default_tracker()
    covers = tuple(_cover(tracker, source, mask, at, advance) for mask, at in regions)
    lost = lost_frames(covers)
    if strict and lost:
        raise InputError(f"strict: {describe_lost(lost)}")
    frames = covered_frames(source, covers, effect, np.array(color, np.uint8))
    write_video(source, frames, out, advance)
    return Blurred(covers, lost)


def _cover(tracker: Tracker, video: Video, mask: np.ndarray, at: int, advance: Progress) -> Cover:
    surface = Surface(track_region(tracker, video, mask, at, advance), at)
    return Cover(recovered(surface, video, advance), mask)


def describe_lost(lost: Sequence[int]) -> str:
    """One line about lost frames."""
    return (
        f"the region is not found in {len(lost)} frames ({lost[0]} to {lost[-1]}); "
        "give another mask of a later frame"
    )


def lost_frames(covers: Sequence[Cover]) -> tuple[int, ...]:
    """Numbers of the frames in which a region is lost, and not covered by those of other masks."""
    tracks = covers[0].surface.tracks
    lost = [i for i in range(tracks.num_frames) if any(_is_lost(c, covers, i) for c in covers)]
    return tuple(tracks.start + i for i in lost)


def _is_lost(cover: Cover, covers: Sequence[Cover], column: int) -> bool:
    return bool(cover.lost[column]) and not _found_again(cover, covers, column)


def _found_again(cover: Cover, covers: Sequence[Cover], column: int) -> bool:
    """Whether the covers that are not lost cover most of one that is."""
    found = [c for c in covers if not c.lost[column]]
    expected = _full(cover, column)
    if not found or not expected.any():
        return False
    covered = np.max([_full(c, column) for c in found], axis=0)
    return float(covered[expected > 0.5].mean()) >= FOUND_AGAIN if (expected > 0.5).any() else False


def _full(cover: Cover, column: int) -> np.ndarray:
    """The cover on the whole frame, float32 ``[H, W]``."""
    canvas = np.zeros(cover.mask.shape, np.float32)
    found = cover.alpha(column)
    if found is not None:
        canvas[found[0]] = found[1]
    return canvas


def covered_frames(
    video: Video, covers: Sequence[Cover], effect: str, color: np.ndarray
) -> Iterator[np.ndarray]:
    """The frames of a video with all regions covered, uint8 ``[H, W, 3]``."""
    for column, frame in enumerate(video):
        result = frame
        for cover in covers:
            found = cover.alpha(column)
            if found is None or (cover.lost[column] and _found_again(cover, covers, column)):
                continue
            result = _applied(result, *found, effect, cover.diameter, color)
        yield result


def _applied(
    frame: np.ndarray,
    window: Window,
    alpha: np.ndarray,
    effect: str,
    diameter: float,
    color: np.ndarray,
) -> np.ndarray:
    changed = EFFECTS[effect](frame[window], diameter, color)
    mixed = alpha[..., None] * changed + (1 - alpha[..., None]) * frame[window]
    result = frame.copy()
    result[window] = np.rint(mixed).astype(np.uint8)
    return result
