"""`Tracks`: position, visibility and confidence of each point in every frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from motes.common.values import flag_array, rate, real_array, whole, whole_array
from motes.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import pandas

DEFAULT_FPS = Fraction(25)
"""Frame rate of sources that have none, such as arrays and folders of images."""

Pairs = tuple[tuple[int, int], ...]

FIELDS = ("xy", "visible", "confidence", "queries", "ids", "size", "fps", "start")
"""Fields of `Tracks` that every file holds."""

OPTIONAL_FIELDS = ("names", "skeleton", "times")
"""Fields that a file holds only where they have values."""

LARGEST_SIDE = 2**31 - 1

Index = int | slice | Sequence[int] | np.ndarray


@dataclass(frozen=True, eq=False)
class Tracks:
    """N points in T consecutive frames.

    Coordinates are pixels of the original video, x right, y down; (0, 0) is the centre of the
    top-left pixel.  Frames are numbered as in the video: column ``i`` is frame ``start + i``, and
    the times in `queries` count the same way.  The arrays are read-only.

    Attributes:
        xy: float32 ``[N, T, 2]``, position in pixels.
        visible: bool ``[N, T]``.
        confidence: float32 ``[N, T]`` in [0, 1]; by default 1 where visible, else 0.
        queries: float32 ``[N, 3]``, the query ``(t, x, y)`` of each point; by default its first
            visible frame (its first frame, if it is never visible).
        ids: int64 ``[N]``, unique; by default 0 .. N-1.
        size: Width and height of the video in pixels.
        fps: Frames per second, exact.
        start: Number of the first frame.
        names: Name of each point, such as ``"left_paw"``; an empty string for none.
        skeleton: Pairs of connected points, as indices from 0 to N-1.
        times: float64 ``[T]``, ascending: seconds from frame 0 of the video to each frame, where
            its frame rate varies (`fps` is then the average); None where the rate is steady.

    Raises:
        InputError: A shape, range or value does not fit; the message states expected and actual.

    Example:
        >>> tracks = motes.Tracks(
        ...     xy=[[[10, 20], [11, 20]]], visible=[[True, False]], size=(96, 72), fps=25
        ... )
        >>> tracks.queries.tolist()
        [[0.0, 10.0, 20.0]]
        >>> tracks.visible[0].tolist(), tracks.confidence[0].tolist()
        ([True, False], [1.0, 0.0])
        >>> tracks[:, 1:].start
        1
    """

    xy: np.ndarray
    visible: np.ndarray
    confidence: np.ndarray = None  # type: ignore[assignment]
    queries: np.ndarray = None  # type: ignore[assignment]
    ids: np.ndarray = None  # type: ignore[assignment]
    size: tuple[int, int] = (0, 0)
    fps: Fraction = DEFAULT_FPS
    start: int = 0
    names: tuple[str, ...] | None = None
    skeleton: Pairs = ()
    times: np.ndarray | None = None

    def __post_init__(self) -> None:
        xy = real_array("xy", self.xy)
        if xy.ndim != 3 or xy.shape[2] != 2:
            raise InputError(f"xy: expected shape [N, T, 2], got {list(xy.shape)}")
        N, T, _ = xy.shape
        self._freeze("xy", xy, (N, T, 2))
        self._freeze("visible", flag_array("visible", self.visible), (N, T))
        given = self.visible if self.confidence is None else self.confidence
        self._freeze("confidence", real_array("confidence", given), (N, T))
        given = self._first_visible() if self.queries is None else self.queries
        self._freeze("queries", real_array("queries", given), (N, 3))
        given = np.arange(N) if self.ids is None else self.ids
        self._freeze("ids", whole_array("ids", given), (N,))
        object.__setattr__(self, "size", _size(self.size))
        object.__setattr__(self, "fps", rate("fps", self.fps))
        object.__setattr__(self, "start", whole("start", self.start))
        object.__setattr__(self, "names", _names(self.names, N))
        object.__setattr__(self, "skeleton", _pairs(self.skeleton, N))
        if self.times is not None:
            self._freeze("times", _times(self.times), (T,))
        self._check_values()

    def _freeze(self, name: str, value: np.ndarray, shape: tuple[int, ...]) -> None:
        if value.shape != shape:
            raise InputError(f"{name}: expected shape {list(shape)}, got {list(value.shape)}")
        value.flags.writeable = False
        object.__setattr__(self, name, value)

    def _first_visible(self) -> np.ndarray:
        N, T = self.visible.shape
        if T == 0:
            return np.zeros((N, 3), np.float32)
        first = self.visible.argmax(1)
        return np.column_stack([first + self.start, self.xy[np.arange(N), first]])

    def _check_values(self) -> None:
        for name in ("xy", "confidence", "queries"):
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(f"{name}: expected finite numbers, got NaN or infinity")
        whole_array("queries: frame numbers", self.queries[:, 0])
        if self.confidence.size and not (0 <= self.confidence.min() <= self.confidence.max() <= 1):
            low, high = self.confidence.min(), self.confidence.max()
            raise InputError(f"confidence: expected values in [0, 1], got {low:g} to {high:g}")
        if len(np.unique(self.ids)) != len(self.ids):
            raise InputError("ids: expected unique numbers, got duplicates")

    @property
    def num_points(self) -> int:
        """Number of points N."""
        return self.xy.shape[0]

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return self.xy.shape[1]

    @property
    def frames(self) -> range:
        """Numbers of the frames, ``start .. start + T - 1``."""
        return range(self.start, self.start + self.num_frames)

    def __len__(self) -> int:
        return self.num_points

    def __repr__(self) -> str:
        W, H = self.size
        return (
            f"Tracks({self.num_points} points, frames {self.start}..{self.frames.stop - 1}, "
            f"{W}x{H}, {float(self.fps):g} fps, {self.visible.mean():.0%} visible)"
            if self.visible.size
            else f"Tracks({self.num_points} points, {self.num_frames} frames, {W}x{H})"
        )

    def __eq__(self, other: object) -> bool:
        """Whether every field is the same, number for number."""
        if not isinstance(other, Tracks):
            return NotImplemented
        mine, theirs = self.to_dict(), other.to_dict()
        return mine.keys() == theirs.keys() and all(
            np.array_equal(mine[k], theirs[k]) for k in mine
        )

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, key: Index | tuple[Index, slice]) -> Tracks:
        """Select by point, or by point and time: ``tracks[3:9]``, ``tracks[mask, 10:20]``.

        Times index columns (0 is the first frame held), and must be a slice of step 1, because
        the frames of `Tracks` are consecutive.
        """
        points, times = key if isinstance(key, tuple) else (key, slice(None))
        if not isinstance(times, slice) or times.step not in (None, 1):
            raise InputError(f"time index: expected a slice of step 1, got {times!r}")
        rows = (
            np.atleast_1d(np.arange(self.num_points)[np.asarray(points)])
            if not isinstance(points, slice)
            else np.arange(self.num_points)[points]
        )
        first = times.indices(self.num_frames)[0]
        return replace(
            self,
            xy=self.xy[rows][:, times],
            visible=self.visible[rows][:, times],
            confidence=self.confidence[rows][:, times],
            queries=self.queries[rows],
            ids=self.ids[rows],
            start=self.start + first,
            names=self.names and tuple(self.names[row] for row in rows),
            skeleton=_kept_pairs(self.skeleton, rows),
            times=None if self.times is None else self.times[times],
        )

    @staticmethod
    def concat_points(parts: Sequence[Tracks]) -> Tracks:
        """Join different points of the same frames.

        Args:
            parts: At least one; same frames, size and fps.  Clashing ids are renumbered 0 .. N-1.

        Returns:
            All points, in the order given.

        Raises:
            InputError: The parts do not cover the same frames of the same video.

        Example:
            >>> motes.Tracks.concat_points([tracks[:2], tracks[5:]]).ids.tolist()
            [0, 1, 5, 6, 7, 8]
        """
        first = _same_video(parts)
        if any(p.frames != first.frames for p in parts):
            raise InputError(f"expected the same frames in all parts, got {_ranges(parts)}")
        ids = np.concatenate([p.ids for p in parts])
        ids = ids if len(np.unique(ids)) == len(ids) else np.arange(len(ids))
        fields = ("xy", "visible", "confidence", "queries")
        joined: dict[str, Any] = {f: np.concatenate([getattr(p, f) for p in parts]) for f in fields}
        return replace(
            first,
            ids=ids,
            names=_joined_names(parts),
            skeleton=_joined_pairs(parts),
            **joined,
        )

    @staticmethod
    def concat_frames(parts: Sequence[Tracks]) -> Tracks:
        """Join consecutive stretches of time of the same points.

        Args:
            parts: At least one; same ids, size and fps; each starts where the last one ended.

        Returns:
            All frames, in the order given.

        Raises:
            InputError: There is a gap or an overlap, or the points differ.

        Example:
            >>> motes.Tracks.concat_frames([tracks[:, :5], tracks[:, 5:]]) == tracks
            True
        """
        first = _same_video(parts)
        parts = list(consecutive(parts))
        fields = ("xy", "visible", "confidence")
        joined: dict[str, Any] = {
            f: np.concatenate([getattr(p, f) for p in parts], 1) for f in fields
        }
        times = [p.times for p in parts if p.times is not None]
        joined["times"] = np.concatenate(times) if len(times) == len(parts) else None
        return replace(first, **joined)

    def to_dict(self) -> dict[str, Any]:
        """The fields as arrays and plain numbers, as the file formats store them.

        Names, the skeleton and times are left out where there are none.

        Example:
            >>> sorted(tracks.to_dict())
            ['confidence', 'fps', 'ids', 'queries', 'size', 'start', 'visible', 'xy']
        """
        fields = {
            "xy": self.xy,
            "visible": self.visible,
            "confidence": self.confidence,
            "queries": self.queries,
            "ids": self.ids,
            "size": self.size,
            "fps": (self.fps.numerator, self.fps.denominator),
            "start": self.start,
        }
        optional = {"names": self.names, "skeleton": self.skeleton or None, "times": self.times}
        return fields | {name: value for name, value in optional.items() if value is not None}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Tracks:
        """The inverse of `to_dict`.

        Raises:
            InputError: A field is missing, or its value does not fit.

        Example:
            >>> motes.Tracks.from_dict(tracks.to_dict()) == tracks
            True
        """
        missing = [name for name in FIELDS if name not in fields]
        if missing:
            raise InputError(f"tracks: expected the fields {', '.join(FIELDS)}; missing {missing}")
        return cls(**{n: fields[n] for n in (*FIELDS, *OPTIONAL_FIELDS) if n in fields})

    def to_dataframe(self) -> pandas.DataFrame:
        """The tracks as a data frame of pandas, with one row a point and frame.

        Returns:
            The columns ``id, t, x, y, visible, confidence``, as in ``.csv`` files: x and y in
            pixels, t the number of the frame; the rows of one point after the other.  A column
            ``time`` in seconds follows where there are `times`.

        Raises:
            MissingExtraError: pandas is not installed.

        Example:
            >>> table = tracks[:1].to_dataframe()
            >>> list(table.columns)
            ['id', 't', 'x', 'y', 'visible', 'confidence']
            >>> table.query("visible").groupby("id").x.max().round(1).tolist()
            [26.5]
        """
        from motes.export.rows import to_columns

        try:
            import pandas
        except ImportError:
            raise MissingExtraError("A data frame", "pandas") from None
        return pandas.DataFrame(to_columns(self))

    def save(
        self,
        path: str | PathLike[str],
        *,
        first: int | None = None,
        hidden: str | None = None,
        pin: Sequence[int] | str | None = None,
    ) -> None:
        """Write to a file; the suffix chooses the format (see `motes.export`).

        Args:
            path: Such as ``bike.npz``, ``shot.nk``, ``mouse.dlc.csv``.
            first: Number that the other program gives to the first frame of the video.
            hidden: ``"keep"`` or ``"drop"`` the frames in which a point is hidden.
            pin: For a corner pin: ids of the top-left, top-right, bottom-right and bottom-left
                point, or ``"best"``.

        Raises:
            InputError: No format has this suffix, or the format does not have this choice.
            MissingExtraError: What the format needs is not installed.
            FileError: The file cannot be written.

        Example:
            >>> tracks.save("bike.csv")
            >>> tracks.save("bike.nk", first=1001)
        """
        from motes.export import Options, save

        corners = pin if pin is None or isinstance(pin, str) else tuple(pin)
        save(self, path, Options(first, hidden, corners))

    @staticmethod
    def load(
        path: str | PathLike[str],
        *,
        size: tuple[int, int] | None = None,
        fps: Fraction | float | None = None,
        first: int | None = None,
    ) -> Tracks:
        """Read a file that `save` or another program wrote.

        Args:
            path: The file; its suffix chooses the format.
            size: Width and height of the video, where the file does not hold them.
            fps: Frame rate of the video, where the file does not hold it.
            first: Number that the other program gives to the first frame of the video.

        Raises:
            InputError: No format reads this suffix, the content does not fit, or the size or the
                frame rate is not known.
            MissingExtraError: What the format needs is not installed.
            FileError: The file cannot be read.

        Example:
            >>> tracks.save("bike.nk", first=1001)
            >>> motes.Tracks.load("bike.nk", size=(96, 72), fps=25, first=1001).frames
            range(0, 12)
        """
        from motes.export import Footage, load

        return load(path, Footage(size, None if fps is None else Fraction(fps), first))


def _size(value: Any) -> tuple[int, int]:
    size = whole_array("size", value).ravel().tolist()
    if len(size) != 2 or not 1 <= min(size) <= max(size) <= LARGEST_SIDE:
        raise InputError(f"size: expected positive (width, height), got {size}")
    return size[0], size[1]


def _names(value: Any, count: int) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InputError(f"names: expected {count} texts, got {value!r:.60}")
    names = tuple(value)
    if len(names) != count:
        raise InputError(f"names: expected {count}, one for each point, got {len(names)}")
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"names: expected texts, got {name!r:.60}")
    return tuple(map(str, names))


def _pairs(value: Any, count: int) -> Pairs:
    ends = whole_array("skeleton", value)
    if ends.size and (ends.ndim != 2 or ends.shape[1] != 2):
        raise InputError(f"skeleton: expected pairs of indices, got shape {list(ends.shape)}")
    pairs = tuple((a, b) for a, b in ends.reshape(-1, 2).tolist())
    for pair in pairs:
        if not all(0 <= end < count for end in pair):
            raise InputError(f"skeleton: expected pairs of indices below {count}, got {pair}")
    return pairs


def _times(value: Any) -> np.ndarray:
    real_array("times", value)  # raises if these are not numbers
    times = np.array(value, np.float64)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InputError("times: expected ascending seconds, got others")
    return times


def consecutive(parts: Iterable[Tracks]) -> Iterator[Tracks]:
    """Yield consecutive parts of the same tracks one by one, and check that they fit together.

    Raises:
        InputError: There is a gap or an overlap, or the points or the videos differ.
    """
    before = None
    for part in parts:
        if before is not None:
            _check_follows(before, part)
        before = part
        yield part


def _kept_pairs(skeleton: Pairs, rows: np.ndarray) -> Pairs:
    """The pairs of a skeleton whose two points are kept, as indices of the kept points."""
    new = {int(row): i for i, row in enumerate(rows)}
    return tuple((new[a], new[b]) for a, b in skeleton if a in new and b in new)


def _joined_pairs(parts: Sequence[Tracks]) -> Pairs:
    firsts = [sum(map(len, parts[:i])) for i in range(len(parts))]
    return tuple((n + a, n + b) for n, p in zip(firsts, parts, strict=True) for a, b in p.skeleton)


def _joined_names(parts: Sequence[Tracks]) -> tuple[str, ...] | None:
    if all(p.names is None for p in parts):
        return None
    return tuple(name for p in parts for name in p.names or ("",) * len(p))


def _check_follows(before: Tracks, part: Tracks) -> None:
    _same_video([before, part])
    if part.start != before.frames.stop:
        raise InputError(f"expected consecutive frames, got {_ranges([before, part])}")
    if not np.array_equal(part.ids, before.ids):
        raise InputError("expected the same ids in all parts, got different ones")


def _same_video(parts: Sequence[Tracks]) -> Tracks:
    if not parts:
        raise InputError("expected at least one Tracks to join, got none")
    first = parts[0]
    for p in parts:
        if (p.size, p.fps) != (first.size, first.fps):
            raise InputError(
                f"expected parts of one video, got {first.size} at {first.fps} fps "
                f"and {p.size} at {p.fps} fps"
            )
    return first


def _ranges(parts: Sequence[Tracks]) -> str:
    return ", ".join(f"{p.start}..{p.frames.stop - 1}" for p in parts)
