"""`attach`: a picture, a clip or a text that sticks to a surface of a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from motes.common.files import check_overwrites
from motes.common.progress import Progress, silent
from motes.common.registry import suggest
from motes.edit.compositing import BLENDS, over, premultiplied, sample, shading, smeared
from motes.edit.content import Content, open_content
from motes.edit.defaults import default_tracker
from motes.edit.filters import seconds
from motes.edit.fits import apply_motion, frame_corners, from_corners
from motes.edit.occlusion import visible_pixels
from motes.edit.output import write_video
from motes.edit.recovery import recovered
from motes.edit.region import bounding_box, track_region
from motes.edit.surface import MESH, SURFACES, Surface
from motes.errors import InputError
from motes.queries.mask import read_mask
from motes.queries.points import Queries

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker
    from motes.video import Video

DEFAULT_WIDTH = 0.2
"""Width of what is attached to one point, as a share of the width of the video."""

KIND_OF_POINTS = {1: "translation", 2: "similarity", 3: "affine"}
"""Kind of motion by the number of points; a homography from 4 points on."""

MASK_EDGE = 1.5
"""Deviation in pixels of the soft edge of a mask."""


@dataclass(frozen=True)
class Look:
    """How something attached is drawn.

    Attributes:
        opacity: In (0, 1].
        blend: A key of `motes.edit.compositing.BLENDS`.
        shutter: Exposure in frames for motion blur; 0 for none.
        shading: Whether it gets brighter and darker with the surface.

    Raises:
        InputError: A value is unknown or out of range.

    Example:
        >>> from motes.edit import Look, attach
        >>> look = Look(opacity=0.5, blend="multiply")
        >>> options = {"look": look, "tracker": tracker}
        >>> _ = attach("bike.mp4", "logo.png", "faint.mp4", to=[(40, 30)], **options)
    """

    opacity: float = 1.0
    blend: str = "normal"
    shutter: float = 0.0
    shading: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.opacity <= 1:
            raise InputError(f"opacity: expected a value in (0, 1], got {self.opacity:g}")
        if not 0 <= self.shutter <= 1:
            raise InputError(f"shutter: expected a value in [0, 1], got {self.shutter:g}")
        if self.blend not in BLENDS:
            raise suggest(self.blend, BLENDS, "way to blend")


def attach(
    video: Any,
    content: Any,
    out: str | PathLike[str],
    *,
    to: Any,
    at: int | None = None,
    width: float | None = None,
    kind: str | None = None,
    tracker: Tracker | None = None,
    look: Look | None = None,
    progress: Progress | None = None,
) -> Surface:
    """Attach a picture, a clip or a text to a surface, and write the video.

    It is hidden where the surface is hidden.

    Args:
        video: Anything that `motes.open_video` takes and that can be read twice.
        content: What `motes.edit.content.open_content` takes.
        out: The file; its suffix chooses the format (.mp4, .gif, or a folder of images).
        to: Points ``(x, y)`` of frame `at`, or a mask (image file or bool array ``[H, W]``).
            One point: it is the centre.  Two: the middles of the left and the right side.  Three:
            the corners at the top left, top right and bottom left.  Four: the corners, clockwise
            from the top left.  More: the content is fitted into their bounding box.  A mask: it is
            fitted into its bounding box, cut by the mask, and bends with the surface.
        at: Number of the reference frame; default: the first.
        width: Width of the content in pixels of frame `at`; for one point, many points and masks.
        kind: One of `motes.edit.surface.SURFACES`; default: by the number of points.
        tracker: A tracker of `motes.load`; default: the default model.
        look: How it is drawn.
        progress: Called with the number of frames just tracked, compared or written.

    Returns:
        The surface.

    Raises:
        InputError: The points or the mask do not fit the video, or an option is unknown.
        FileError: Something cannot be read or written.

    Example:
        >>> from motes.edit import attach, text
        >>> corners = [(30, 20), (60, 20), (60, 40), (30, 40)]
        >>> surface = attach("bike.mp4", "logo.png", "logo.mp4", to=corners, tracker=tracker)
        >>> surface.kind
        'homography'
        >>> _ = attach("bike.mp4", text("motes"), "title.mp4", to="mask.png", tracker=tracker)
    """
    from motes.video import check_output, open_video

    look, advance = look or Look(), progress or silent
    if kind is not None and kind not in SURFACES:
        raise suggest(kind, SURFACES, "kind of motion")
    check_output(out)
    source, what = open_video(video), open_content(content)
    check_overwrites([out], [*source.files, *what.files])
    at = source.start if at is None else at
    target = find_target(to, source, at, what.size, width)
    surface = track_target(tracker or default_tracker(), source, target, kind, advance)
    painted = attached_frames(source, surface, what, target, look)
    write_video(source, painted, out, advance)
    return surface


@dataclass(frozen=True)
class Target:
    """Where content goes in the reference frame.

    Attributes:
        at: Number of the reference frame.
        box: Corners of the content, clockwise from the top left, ``[4, 2]``.
        points: The points that were given, ``[N, 2]``; None for a mask.
        mask: bool ``[H, W]``: the mask, or the convex hull of three points or more.
    """

    at: int
    box: np.ndarray
    points: np.ndarray | None = None
    mask: np.ndarray | None = None


def find_target(
    to: Any, video: Video, at: int, content: tuple[int, int], width: float | None
) -> Target:
    """Where content goes; see `attach`."""
    if width is not None and not width > 0:
        raise InputError(f"width: expected a positive number of pixels, got {width:g}")
    if isinstance(to, (str, PathLike)) or (isinstance(to, np.ndarray) and to.dtype == bool):
        mask = read_mask(to, video.size)
        return Target(at, _fitted(bounding_box(mask)[[0, 2]], content, width), None, mask)
    queries = Queries.of(to, at)
    if not len(queries):
        raise InputError("to: expected at least one point, got none")
    queries.check(video.size, range(at, at + 1))
    points = queries.xy.astype(np.float64)
    if len(points) >= 3 and cv2.contourArea(cv2.convexHull(points.astype(np.float32))) < 1:
        raise InputError(f"to: expected points that span an area, got {len(points)} on one line")
    hull = _hull(points, video.size) if len(points) >= 3 else None
    return Target(at, _box(points, video.size, content, width), points, hull)


def _box(
    points: np.ndarray, size: tuple[int, int], content: tuple[int, int], width: float | None
) -> np.ndarray:
    """The corners of the content for given points."""
    w, h = content
    if len(points) == 1:
        half = (width or DEFAULT_WIDTH * size[0]) / 2 * np.array([1, h / w])
        return points[0] + half * [[-1, -1], [1, -1], [1, 1], [-1, 1]]
    if len(points) == 2:
        left, right = points
        down = (right - left)[::-1] * [-1, 1] * (h / w / 2)
        return np.array([left - down, right - down, right + down, left + down])
    if len(points) == 3:
        first, right, below = points
        return np.array([first, right, right + below - first, below])
    return points if len(points) == 4 else _fitted(_extent(points), content, width)


def _extent(points: np.ndarray) -> np.ndarray:
    """The smallest and the largest coordinates of points, with their pixels: ``[2, 2]``."""
    return np.stack([points.min(0) - 0.5, points.max(0) + 0.5])


def _fitted(extent: np.ndarray, content: tuple[int, int], width: float | None) -> np.ndarray:
    """The largest box of the content's aspect ratio inside an extent, or one of that width."""
    middle, span = extent.mean(0), extent[1] - extent[0]
    scale = width / content[0] if width else min(span / content)
    half = np.array(content) * scale / 2
    return middle + half * [[-1, -1], [1, -1], [1, 1], [-1, 1]]


def _hull(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size[::-1], np.uint8)
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    return cv2.fillConvexPoly(mask, hull, 1).astype(bool)


def track_target(
    tracker: Tracker, video: Video, target: Target, kind: str | None, advance: Progress
) -> Surface:
    """Track the points of a target, or a lattice over its mask."""
    if target.mask is not None:
        tracks = track_region(tracker, video, target.mask, target.at, advance)
    else:
        queries = Queries.of(target.points, target.at)  # type: ignore[arg-type]
        tracks = tracker.track(video, queries, backward=True, progress=advance)
    count = None if target.points is None else len(target.points)
    default = MESH if count is None else KIND_OF_POINTS.get(count, "homography")
    return recovered(Surface(tracks, target.at, kind or default), video, advance)


def attached_frames(
    video: Video, surface: Surface, content: Content, target: Target, look: Look
) -> Iterator[np.ndarray]:
    """The frames of a video with content on a surface, uint8 ``[H, W, 3]``."""
    cut = _soft_mask(target.mask) if target.points is None else None
    reference = video.read(target.at, target.at + 1)[0].astype(np.float32)
    times = seconds(surface.tracks)
    for column, frame in enumerate(video):
        window = surface.window(column, target.box)
        if window is None:
            yield frame
            continue
        picture = premultiplied(content.frame(times[column] - times[0]))
        picture = _reduced(picture, target.box, surface.path.matrices[column])
        placed = Placed(picture, target.box, cut)
        layer = smeared(surface, column, window, look.shutter, placed)
        source = surface.source(column, window)
        expected = sample(reference, source)
        visible = visible_pixels(surface, column, source, frame[window], expected)
        if look.shading:
            layer[..., :3] *= shading(frame[window], expected, visible)
        yield over(frame, window, layer * (look.opacity * visible)[..., None], look.blend)


@dataclass(frozen=True)
class Placed:
    """A picture at its position in the reference frame.

    Attributes:
        picture: float32 ``[h, w, 4]``, premultiplied.
        box: Its outer corners in the reference frame, clockwise from the top left, ``[4, 2]``.
        cut: float32 ``[H, W]``, alpha of the reference frame; None for 1.
    """

    picture: np.ndarray
    box: np.ndarray
    cut: np.ndarray | None = None

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """The layer at positions ``[h, w, 2]`` of the reference frame: float32 ``[h, w, 4]``."""
        corners = frame_corners(self.picture.shape[1::-1])
        layer = sample(self.picture, apply_motion(from_corners(self.box, corners), positions))
        return layer if self.cut is None else layer * sample(self.cut, positions)[..., None]


def _soft_mask(mask: np.ndarray | None) -> np.ndarray | None:
    return None if mask is None else cv2.GaussianBlur(mask.astype(np.float32), (0, 0), MASK_EDGE)


def _reduced(picture: np.ndarray, box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture that is larger than its box in the frame, at the size of the box."""
    corners = apply_motion(matrix, box)
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    wanted = max(sides[[0, 2]].max(), 1.0), max(sides[[1, 3]].max(), 1.0)
    h, w = picture.shape[:2]
    scale = min(1.0, max(wanted[0] / w, wanted[1] / h))
    if scale > 0.8:
        return picture
    size = max(1, round(w * scale)), max(1, round(h * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
