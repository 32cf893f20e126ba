"""A point as a person works with it: a query, corrections, and the track between them.

The track is a pure function of the keys.  After the last key it is tracked forward, before the
first one backward; between two keys it is tracked from both, and the two are cross-faded, so that
it passes through every key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from motes.errors import InputError
from motes.tracking.parts import track_in_parts
from motes.tracking.session import Session
from motes.tracks import Tracks
from motes.web.doubts import find_doubts

DIRECTIONS = ("forward", "backward", "both")


@dataclass(frozen=True)
class Key:
    """The point is at (x, y) in frame t; pixels of the video."""

    t: int
    x: float
    y: float


class Track:
    """Positions of one point in all frames of a video; filled while it is being tracked.

    Attributes:
        xy: float32 ``[T, 2]``.
        visible: bool ``[T]``.
        confidence: float32 ``[T]``.
        complete: Whether nothing is left to be tracked.
        doubts: What `find_doubts` says of the complete track.
    """

    def __init__(self, xy: np.ndarray, visible: np.ndarray, confidence: np.ndarray) -> None:
        self.xy, self.visible, self.confidence = xy, visible, confidence
        self.complete = False
        self.doubts: list[tuple[int, str]] = []

    @classmethod
    def empty(cls, key: Key, num_frames: int) -> Track:
        """Known only in the frame of the query; elsewhere it rests there, hidden."""
        xy = np.tile(np.array([key.x, key.y], np.float32), (num_frames, 1))
        here = np.arange(num_frames) == key.t
        return cls(xy, here, here.astype(np.float32))

    def copy(self) -> Track:
        """Separate arrays with the same content; not complete."""
        return Track(self.xy.copy(), self.visible.copy(), self.confidence.copy())

    def write(self, part: Tracks, row: int) -> None:
        """Take over the frames of one point of `part`."""
        frames = slice(part.start, part.frames.stop)
        self.xy[frames] = part.xy[row]
        self.visible[frames] = part.visible[row]
        self.confidence[frames] = part.confidence[row]

    def write_key(self, key: Key) -> None:
        """Take over what a person says."""
        self.xy[key.t] = key.x, key.y
        self.visible[key.t] = True
        self.confidence[key.t] = 1

    def finish(self) -> None:
        """Nothing is left to be tracked."""
        self.complete = True
        self.doubts = find_doubts(self.xy, self.visible, self.confidence)

    def hide(self, frames: slice, key: Key) -> None:
        """Forget what was found in these frames."""
        self.xy[frames] = key.x, key.y
        self.visible[frames] = False
        self.confidence[frames] = 0


@dataclass(frozen=True, eq=False)
class Point:
    """A point that is tracked.

    Attributes:
        id: Unique in its document.
        name: For people.
        keys: Query and corrections, in order of time; at least one.
        direction: One of `DIRECTIONS`: where it is tracked to beyond its keys.
        hidden: Whether the page shows it only in the list.
        track: Its positions.
    """

    id: int
    name: str
    keys: tuple[Key, ...]
    direction: str
    track: Track
    hidden: bool = False

    def with_key(self, key: Key) -> Point:
        """The point with a correction; one in the same frame is replaced."""
        others = [k for k in self.keys if k.t != key.t]
        keys = tuple(sorted([*others, key], key=lambda k: k.t))
        track = self.track.copy()
        track.write_key(key)
        return replace(self, keys=keys, track=track)

    def without_key(self, t: int) -> Point:
        """The point without its correction in frame t.

        Raises:
            InputError: There is none, or it is the only key.
        """
        keys = tuple(k for k in self.keys if k.t != t)
        if len(keys) == len(self.keys):
            raise InputError(f"point {self.name}: expected a correction in frame {t}, found none")
        if not keys:
            raise InputError(f"point {self.name}: expected another key to be left")
        return replace(self, keys=keys, track=self.track.copy())

    def tracked(self, direction: str) -> Point:
        """The point, to be tracked anew in this direction."""
        first = min(self.keys, key=lambda k: k.t)
        return replace(self, direction=direction, track=Track.empty(first, len(self.track.visible)))


@dataclass(frozen=True)
class Span:
    """A stretch of time to track points through, from a key, to a key, or between two.

    Attributes:
        ids: Of N points.
        first: float64 ``[N, 3]``, keys (t, x, y) of one frame at which it starts; None: frame 0.
        last: The same, at which it ends; None: the end of the video.
    """

    ids: tuple[int, ...]
    first: np.ndarray | None = field(repr=False, default=None)
    last: np.ndarray | None = field(repr=False, default=None)

    def frames(self, num_frames: int) -> int:
        """How many frames have to be tracked, both directions counted."""
        start = 0 if self.first is None else int(self.first[0, 0])
        stop = num_frames if self.last is None else int(self.last[0, 0]) + 1
        return (stop - start) * (2 if self.first is not None and self.last is not None else 1)


def spans_of(point: Point) -> list[Span]:
    """All that has to be tracked for a point."""
    ids, keys = (point.id,), point.keys
    spans = [Span(ids, _row(a), _row(b)) for a, b in pairwise(keys)]
    if point.direction != "backward":
        spans.append(Span(ids, first=_row(keys[-1])))
    if point.direction != "forward":
        spans.append(Span(ids, last=_row(keys[0])))
    return spans


def spans_around(point: Point, t: int) -> list[Span]:
    """Those of `spans_of` that change with a key in frame t, whether it is there or was removed."""
    return [span for span in spans_of(point) if _touches(span, t)]


def together(spans: Iterable[Span]) -> list[Span]:
    """Join the spans that start, or end, in the same frame, so that points are tracked at once."""
    groups: dict[tuple[bool, int], list[Span]] = {}
    alone = []
    for span in spans:
        if span.first is not None and span.last is not None:
            alone.append(span)
        else:
            groups.setdefault(_only_end(span), []).append(span)
    return [_joined(group) for group in groups.values()] + alone


def _only_end(span: Span) -> tuple[bool, int]:
    """Whether a span is open towards the end of the video, and the frame of its key."""
    is_forward = span.first is not None
    key = span.first if is_forward else span.last
    return is_forward, -1 if key is None else int(key[0, 0])


def _joined(group: list[Span]) -> Span:
    ids = tuple(i for span in group for i in span.ids)
    return Span(ids, _stacked([s.first for s in group]), _stacked([s.last for s in group]))


def _stacked(rows: list[np.ndarray | None]) -> np.ndarray | None:
    known = [row for row in rows if row is not None]
    return np.concatenate(known) if known else None


def _row(key: Key) -> np.ndarray:
    return np.array([[key.t, key.x, key.y]])


def _touches(span: Span, t: int) -> bool:
    after = span.first is None or span.first[0, 0] <= t
    before = span.last is None or t <= span.last[0, 0]
    return bool(after and before)


def follow(session: Session, span: Span) -> Iterator[Tracks]:
    """Track the points of a span; yields stretches of frames as they are found.

    Between two keys what was found forward comes first, and the cross-faded track at the end.
    """
    ids = np.array(span.ids)
    for part in _follow(session, span.first, span.last):
        yield replace(part, ids=ids)


def _follow(session: Session, start: np.ndarray | None, end: np.ndarray | None) -> Iterator[Tracks]:
    if start is not None and end is not None:
        return _between(session, start, end)
    if start is not None:
        return track_in_parts(session, start)
    return iter(()) if end is None else track_in_parts(session, end, backward=True)


def _between(session: Session, start: np.ndarray, end: np.ndarray) -> Iterator[Tracks]:
    first, last = int(start[0, 0]), int(end[0, 0])
    forward, backward = [], []
    for part in track_in_parts(session, start):
        forward.append(part[:, : max(last + 1 - part.start, 0)])
        yield forward[-1]
        if part.frames.stop > last:
            break
    for part in track_in_parts(session, end, backward=True):
        backward.append(part[:, max(first - part.start, 0) :])
        if part.start <= first:
            break
    yield cross_fade(Tracks.concat_frames(forward), Tracks.concat_frames(backward[::-1]))


def cross_fade(forward: Tracks, backward: Tracks) -> Tracks:
    """Join two tracks of the same points and frames, tracked from either end.

    Args:
        forward: Tracked from the first frame.
        backward: Tracked from the last frame.

    Returns:
        Positions and confidence fade over linearly; visibility changes over in the middle.
    """
    weight = np.linspace(0, 1, forward.num_frames, dtype=np.float32)
    late = weight > 0.5
    return replace(
        forward,
        xy=forward.xy + weight[:, None] * (backward.xy - forward.xy),
        visible=np.where(late, backward.visible, forward.visible),
        confidence=(forward.confidence * (1 - weight) + backward.confidence * weight).clip(0, 1),
    )
