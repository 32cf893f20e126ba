"""`Dataset`, `Collection` and `Clip`: clips with known tracks, in any layout on disk.

A file of this package declares a `Dataset` to add its layout to `load`::

    collection = motes.data.load("clips", "clips/val")
    for result in collection.each(measure): ...             # every clip, for evaluation
    sample = collection.draw(rng, lambda clip: clip.sample(range(24)))      # one clip, to train on
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from motes.common.archives import read_archive
from motes.common.registry import discover, suggest
from motes.common.values import flag_array, numbers
from motes.coordinates import raster_to_pixels
from motes.errors import FileError, InputError, MotesError
from motes.tracks import Tracks

if TYPE_CHECKING:
    from motes.data.sample import Sample
    from motes.video import Video

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Clip:
    """A video and the true tracks of points in it.

    Attributes:
        name: Its name in reports.
        video: The frames, decoded on demand.
        tracks: Ground truth, in pixels of `video`, for its frames 0 .. T-1.
        annotated: bool ``[N, T]``; where it is false, nothing is known.

    Example:
        >>> from motes.data import load
        >>> clip = load("clips", "clips").entries[0].load()
        >>> clip.name, clip.tracks.xy.shape
        ('bike', (9, 12, 2))
    """

    name: str
    video: Video
    tracks: Tracks
    annotated: np.ndarray

    def __post_init__(self) -> None:
        T = self.tracks.num_frames
        if self.video.num_frames not in (None, T):
            raise FileError(f"{self.name}: {self.video.num_frames} frames, but tracks of {T}")

    def __iter__(self) -> Iterator[np.ndarray]:
        """All frames, uint8 ``[H, W, 3]``, one by one.

        Raises:
            FileError: The video cannot be decoded, or has another number of frames than the tracks.
        """
        count = 0
        for frame in self.video:
            yield frame
            count += 1
        self._check_end(count, self.tracks.num_frames)

    def read(self, frames: range) -> np.ndarray:
        """Read frames.

        Args:
            frames: Frame numbers, ascending.

        Returns:
            uint8 ``[n, H, W, 3]``.

        Raises:
            FileError: The video cannot be decoded, or ends early.
        """
        video = self.video.read(frames.start, frames[-1] + 1)
        self._check_end(frames.start + len(video), frames[-1] + 1)
        return video[:: frames.step]

    def _check_end(self, count: int, expected: int) -> None:
        if count != expected:
            why = f" ({self.video.problem})" if self.video.problem else ""
            raise FileError(f"{self.name}: expected {expected} frames, got {count}{why}")

    def sample(self, frames: range | None = None) -> Sample:
        """A training sample of these frames (None: all) with all points.

        Raises:
            FileError: The video cannot be decoded, or ends early.
        """
        import torch

        from motes.data.sample import Sample

        frames = range(self.tracks.num_frames) if frames is None else frames
        video = torch.from_numpy(self.read(frames)).permute(0, 3, 1, 2).contiguous()
        known = (self.tracks.xy, self.tracks.visible, self.annotated)
        xy, visible, valid = (torch.tensor(a[:, list(frames)].swapaxes(0, 1)) for a in known)
        return Sample(video, xy, visible & valid, valid)


@dataclass(frozen=True)
class Entry:
    """A clip that is not read yet; `load` raises `FileError` if it is unusable.

    Example:
        >>> from motes.data import load
        >>> entry = load("clips", "clips").entries[0]
        >>> entry.load().name == entry.name
        True
    """

    name: str
    load: Callable[[], Clip]


@dataclass(frozen=True)
class Dataset:
    """One layout of data sets on disk.

    Attributes:
        name: Name for users.
        layout: Description for messages.
        find: Lists the clips under a path without reading their frames.

    Example:
        >>> from motes.data import datasets
        >>> [dataset.name for dataset in datasets()]
        ['clips', 'kubric', 'pointodyssey', 'tapvid']
    """

    name: str
    layout: str
    find: Callable[[Path], Iterable[Entry]]


@dataclass
class Collection:
    """The clips of a data set.  Unusable clips are skipped and listed with the reason.

    Attributes:
        path: Folder or file of the clips.
        entries: The clips, not read yet.
        skipped: The reason for each unusable clip, by name.

    Example:
        >>> from motes.data import load
        >>> collection = load("clips", "clips")
        >>> list(collection.each(lambda clip: clip.tracks.num_points))
        [9]
        >>> rng = np.random.default_rng(0)
        >>> sample = collection.draw(rng, lambda clip: clip.sample(range(4)))
        >>> sample.video.shape
        torch.Size([4, 3, 72, 96])
    """

    path: Path
    entries: list[Entry]
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def each(self, use: Callable[[Clip], R]) -> Iterator[R]:
        """Apply `use` to each clip; a clip for which it raises an error is skipped.

        Raises:
            FileError: At the end, if no clip could be used.
        """
        for entry in self.entries:
            try:
                result = use(entry.load())
            except Exception as reason:  # decoders and parsers raise anything on damaged files
                self.skipped[entry.name] = describe(reason)
                continue
            yield result
        self._check_left()

    def draw(self, rng: np.random.Generator, use: Callable[[Clip], R]) -> R:
        """Apply `use` to a random clip, and to another one if it raises an error.

        A clip that was skipped is not drawn again.

        Raises:
            FileError: No clip is left.
        """
        while True:
            self._check_left()
            left = [entry for entry in self.entries if entry.name not in self.skipped]
            entry = left[rng.integers(len(left))]
            try:
                return use(entry.load())
            except Exception as reason:
                self.skipped[entry.name] = describe(reason)

    def _check_left(self) -> None:
        if all(entry.name in self.skipped for entry in self.entries):
            name, reason = next(iter(self.skipped.items()))
            raise FileError(
                f"{self.path}: none of {len(self)} clips could be used; {name}: {reason}"
            )


def datasets() -> tuple[Dataset, ...]:
    """All known layouts.

    Example:
        >>> from motes.data import datasets
        >>> len(datasets()) > 2
        True
    """
    return discover("motes.data", Dataset)


def load(name: str, path: str | PathLike[str], limit: int | None = None) -> Collection:
    """Find the clips of a data set.

    Args:
        name: Layout, one of `datasets`.
        path: Folder or file.
        limit: Use only the first `limit` clips; None: all.

    Raises:
        InputError: The name is unknown, or the limit is not positive.
        FileError: The path does not exist, or holds nothing in this layout.

    Example:
        >>> from motes.data import load
        >>> collection = load("clips", "clips")
        >>> len(collection), [entry.name for entry in collection.entries]
        (1, ['bike'])
    """
    known = {dataset.name: dataset for dataset in datasets()}
    if name not in known:
        raise suggest(name, known, "dataset")
    if limit is not None and limit < 1:
        raise InputError(f"limit: expected at least 1 clip, got {limit}")
    path = Path(path)
    try:
        if not path.exists():
            raise FileError(f"{path}: no such file or folder")
        entries = list(islice(known[name].find(path), limit))
    except MotesError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise FileError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not entries:
        raise FileError(f"{path}: expected {known[name].layout}, found none")
    return Collection(path, _with_unique_names(entries))


def _with_unique_names(entries: list[Entry]) -> list[Entry]:
    """The second clip of a name becomes ``NAME#2``, so that results do not replace each other."""
    counts: Counter[str] = Counter()
    renamed = []
    for entry in entries:
        counts[entry.name] += 1
        number = counts[entry.name]
        renamed.append(entry if number == 1 else _renamed(entry, f"{entry.name}#{number}"))
    return renamed


def _renamed(entry: Entry, name: str) -> Entry:
    return Entry(name, lambda: replace(entry.load(), name=name))


def describe(reason: Exception) -> str:
    """The error message, in one line."""
    text = " ".join(str(reason).split())
    return text if isinstance(reason, MotesError) else f"{type(reason).__name__}: {text}"


def raster_positions(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Raster positions of a file as pixels ``[..., 2]`` (float32).

    Args:
        points: In TAP-Vid raster coordinates, see `raster_to_pixels`.
        size: ``(W, H)`` of the video.

    Raises:
        InputError: The positions are not numbers.
    """
    with np.errstate(over="ignore"):  # too large ones become infinite, which means unknown
        return raster_to_pixels(numbers("points", points), size)


def make_clip(
    name: str,
    video: Video,
    xy: np.ndarray,
    visible: np.ndarray,
    annotated: np.ndarray | None = None,
) -> Clip:
    """Make a clip from the content of a file.

    Args:
        name: Name of the clip.
        video: Its frames.
        xy: ``[N, T, 2]`` in pixels.  Where it is not finite, the position is unknown.
        visible: bool ``[N, T]``.
        annotated: bool ``[N, T]``; None: everywhere.

    Raises:
        FileError: The shapes do not match.
    """
    annotated = np.ones(visible.shape, bool) if annotated is None else annotated
    check_shapes(name, xy, visible, annotated)
    visible, annotated = flag_array("visible", visible), flag_array("annotated", annotated)
    finite = np.isfinite(xy).all(-1)
    known = finite & annotated
    positions = np.where(finite[..., None], xy, 0)
    tracks = Tracks(positions, visible & known, size=video.size, fps=video.fps)
    return Clip(name, video, tracks, known)


def check_shapes(name: str, xy: np.ndarray, *flags: np.ndarray) -> None:
    """Check that positions are numbers ``[N, T, 2]`` and all flags ``[N, T]``.

    Raises:
        FileError: A shape is wrong.
        InputError: An array holds something other than numbers.
    """
    if xy.ndim != 3 or xy.shape[2] != 2 or any(f.shape != xy.shape[:2] for f in flags):
        got = ", ".join(str(list(a.shape)) for a in (xy, *flags))
        raise FileError(f"{name}: expected positions [N, T, 2] and flags [N, T], got {got}")
    for array in (xy, *flags):
        numbers(name, array)


def read_arrays(path: Path, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file: the needed ones, and `annotated` if present.

    Raises:
        FileError: The file cannot be read, holds objects, or lacks an array.
    """
    try:
        arrays = read_archive(path, (*needed, "annotated"))
    except InputError as reason:
        raise FileError(f"{path}: {reason}") from None
    except OSError as reason:
        raise FileError(f"{path}: {reason.strerror or reason}") from None
    if missing := [name for name in needed if name not in arrays]:
        raise FileError(f"{path}: expected arrays {', '.join(needed)}; missing {missing}")
    return arrays
