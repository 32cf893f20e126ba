"""Evaluation protocols: how queries are given to a tracker, and in which pixels it is scored.

Published numbers of the same model differ by protocol, so each protocol is a named value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from motes.common.registry import suggest
from motes.coordinates import from_corner, to_corner
from motes.eval.metrics import Mode

if TYPE_CHECKING:
    from motes.tracking.official import OfficialTracker
    from motes.tracking.tracker import Tracker

SIDE = 256
"""Width and height of the frames of TAP-Vid; scores are computed in their pixels."""

STRIDE = 5
"""Frames between the queries of a point, in mode `strided`."""


@dataclass(frozen=True)
class Protocol:
    """How a tracker is run on the queries of a clip.

    Attributes:
        name: Name for users.
        summary: One line for the help and the reports.
        independent: Whether each query is tracked separately.
        side: Width and height to which all frames are resized; None: no resizing.
        scale: Pixel coordinate, in frames of 256x256, of raster coordinate 1 (the right or bottom
            edge); proportional for other sizes.
        corner: Whether raster coordinate 0 is the outer corner of the first pixel; else its centre.
        support: Whether joint models get their support points.
        compat: Mode of published CoTrackers (`motes.tracking.official`); None: no special mode.

    Example:
        >>> from motes.eval.protocols import find_protocol
        >>> protocol = find_protocol("tapvid")
        >>> protocol.frame_size((1920, 1080)), protocol.independent
        ((256, 256), True)
    """

    name: str
    summary: str
    independent: bool
    side: int | None = SIDE
    scale: float = float(SIDE)
    corner: bool = True
    support: bool = True
    compat: str | None = None

    def frame_size(self, video: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the frames that are tracked, for a video of this size."""
        return video if self.side is None else (self.side, self.side)

    def pixels(self, raster: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Raster positions as pixels ``[..., 2]`` of frames of `size` (float64)."""
        scaled = np.asarray(raster, np.float64) * size * (self.scale / SIDE)
        return from_corner(scaled) if self.corner else scaled

    def raster(self, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The inverse of `pixels` (float64)."""
        scaled = np.asarray(pixels, np.float64)
        scaled = to_corner(scaled) if self.corner else scaled
        return scaled / (self.scale / SIDE) / size

    def adapt(self, tracker: Tracker) -> Tracker | OfficialTracker:
        """The tracker to run: published CoTrackers in the mode of their evaluation code."""
        from motes.tracking.official import RULES, SIZE, OfficialTracker

        published = type(tracker.model) in RULES and tracker.preset.resize.size == SIZE[::-1]
        if self.compat is None or not published:
            return tracker
        return OfficialTracker(tracker.model, tracker.preset, tracker.dtype, self.compat)


TAPVID = Protocol(
    "tapvid",
    "TAP-Vid to the letter: independent queries, raster coordinates",
    independent=True,
)

NATIVE = replace(
    TAPVID,
    name="native",
    summary="as tapvid, but on frames of their own size: what users see",
    side=None,
)

NATIVE_JOINT = replace(
    NATIVE,
    name="native-joint",
    summary="as native, but all queries together, as users ask",
    independent=False,
)

COTRACKER_JOINT = Protocol(
    "cotracker-joint",
    "as in CoTracker3's code: all queries together, with a grid over the frame",
    independent=False,
    scale=255.0,  # raster coordinate 1 is the centre of the last pixel
    corner=False,
    compat="official-eval",
)

COTRACKER_SINGLE = replace(
    COTRACKER_JOINT,
    name="cotracker-single",
    summary="as in CoTracker's papers: each query with grids around it and over the frame",
    independent=True,
)

COTRACKER_ONLINE = replace(
    COTRACKER_JOINT,
    name="cotracker-online",
    summary="as in CoTracker3's code for its online models: all queries together, nothing else",
    support=False,
    compat="official-online",
)

PROTOCOLS = (TAPVID, NATIVE, NATIVE_JOINT, COTRACKER_SINGLE, COTRACKER_JOINT, COTRACKER_ONLINE)


def find_protocol(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        InputError: The name is unknown; the message suggests a similar one.

    Example:
        >>> from motes.eval.protocols import find_protocol
        >>> find_protocol("native").summary
        'as tapvid, but on frames of their own size: what users see'
    """
    known = {protocol.name: protocol for protocol in PROTOCOLS}
    if name not in known:
        raise suggest(name, known, "protocol")
    return known[name]


def choose_queries(visible: np.ndarray, mode: Mode) -> tuple[np.ndarray, np.ndarray]:
    """Choose the queries: points and frames (TAP-Vid, section 4).

    Args:
        visible: bool ``[N, T]``, true visibility.
        mode: See `Mode`.

    Returns:
        Points and frames, int64 ``[Q]`` each.  A point that is never visible has no query.

    Example:
        >>> from motes.eval.protocols import choose_queries
        >>> points, frames = choose_queries(np.array([[False, True, True], [False] * 3]), "first")
        >>> points.tolist(), frames.tolist()
        ([0], [1])
    """
    if mode == "first":
        points = np.flatnonzero(visible.any(1))
        return points, visible[points].argmax(1)
    frames, points = np.nonzero(visible[:, ::STRIDE].T)
    return points, frames * STRIDE
