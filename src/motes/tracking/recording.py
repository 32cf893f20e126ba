"""`Recording`: the tracks of a long video or a camera, written part by part; killed runs continue.

A recording is a folder: ``00000000.npz``, ``00000500.npz``, ... hold the tracks of the frames from
that number on, ``state.pt`` the stream after the last of them, ``recording.json`` what identifies
the run (see `motes.tracking.identity`).  While a run writes, it holds the file ``lock``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from motes.common.files import LOCK, locked, replacing
from motes.common.interrupts import deferred_signals
from motes.common.progress import Progress, silent
from motes.common.temporary import is_temporary, remove
from motes.errors import FileError, InputError, MotesError
from motes.export import save_parts
from motes.queries.points import Queries
from motes.tracking.facts import with_facts
from motes.tracking.identity import query_facts, tracker_facts, video_facts
from motes.tracking.stretches import EncodedFrame
from motes.tracks import Tracks, consecutive
from motes.video import Video, open_video
from motes.video.ahead import frames_ahead, read_ahead

if TYPE_CHECKING:
    from motes.tracking.stream import Stream
    from motes.tracking.tracker import Tracker

log = logging.getLogger(__name__)

LONG = 2000
"""Videos with more frames are tracked by way of a recording, so that a killed run can continue."""

FRAMES_PER_PART = 500
"""Frames per part; at most this many are tracked again after a kill."""

FACTS = "recording.json"
STATE = "state.pt"

Frame = np.ndarray | EncodedFrame
"""What `Stream.push` takes."""


@dataclass(frozen=True, init=False)
class Recording:
    """A folder with the tracks of a long video.

    Iterating gives its stretches of frames, one `Tracks` at a time.

    Attributes:
        folder: Its path.

    Example:
        >>> from motes.tracking.recording import Recording, record
        >>> _ = record(tracker, "bike.mp4", motes.Queries.of([(0, 30, 20)]), "bike.part", every=5)
        >>> [part.frames for part in Recording("bike.part")]
        [range(0, 5), range(5, 10), range(10, 12)]
    """

    folder: Path

    def __init__(self, folder: str | Path) -> None:
        object.__setattr__(self, "folder", Path(folder))

    @property
    def complete(self) -> bool:
        """Whether the video was tracked to its end.

        Raises:
            FileError: The folder holds no recording, or it cannot be read.
        """
        return bool(_read_facts(self.folder).get("complete"))

    @property
    def parts(self) -> list[Path]:
        """Files of the consecutive stretches of frames, in order."""
        found = [p for p in self.folder.glob("*.npz") if p.stem.isdecimal() and p.stem.isascii()]
        return sorted(found, key=_first_frame)

    def __iter__(self) -> Iterator[Tracks]:
        """The tracks, one stretch of frames at a time.

        Raises:
            InputError: A part is missing, or it does not follow the one before.
            FileError: A part cannot be read.
        """
        _check_first(self.folder, self.parts)
        return consecutive(Tracks.load(part) for part in self.parts)

    def tracks(self) -> Tracks:
        """All tracks at once.

        Raises:
            InputError: Nothing has been recorded yet, or a part is missing.

        Example:
            >>> from motes.tracking.recording import record
            >>> queries = motes.Queries.of([(0, 30, 20)])
            >>> record(tracker, "bike.mp4", queries, "run").tracks().frames
            range(0, 12)
        """
        return Tracks.concat_frames(list(self))

    def save(self, path: str | PathLike[str]) -> None:
        """Write all tracks to one file; all but `.json` without holding all of them.

        Raises:
            InputError: No format has this suffix, nothing has been recorded yet, or a part is
                missing.
            MissingExtraError: What the format needs is not installed.
            FileError: The file cannot be written.

        Example:
            >>> from motes.tracking.recording import record
            >>> queries = motes.Queries.of([(0, 30, 20)])
            >>> record(tracker, "bike.mp4", queries, "saved").save("bike.csv")
        """
        save_parts(self, path)


def record(
    tracker: Tracker,
    video: Any,
    queries: Queries,
    folder: str | PathLike[str],
    *,
    every: int = FRAMES_PER_PART,
    latency: int | None = None,
    iterations: int | None = None,
    progress: Progress | None = None,
    encoded: Callable[[int], Iterable[EncodedFrame]] | None = None,
) -> Recording:
    """Track points through a video of any length, in memory that does not grow with it.

    A run that was interrupted or killed is continued by running it again: parts of the same
    recording are kept, and tracking continues after them.

    Args:
        tracker: Whose model is used.
        video: Anything that `motes.open_video` opens.
        queries: Points to follow, in pixels of the video.
        folder: Folder of the recording; made if need be.
        every: Frames per part.
        latency: See `Tracker.stream`.
        iterations: See `Tracker.track`.
        progress: Called with the number of frames just finished.
        encoded: Gives the frames from a number on, encoded elsewhere (`motes.tracking.stretches`);
            by default they are read and encoded here.  The tracks are the same.

    Returns:
        The recording.

    Raises:
        InputError: A query does not fit; or the folder holds a recording of another video, other
            weights, settings or queries, or lacks a part.
        FileError: The video cannot be read, the folder cannot be written, or another run writes
            there.  Parts that were written stay readable.

    Example:
        >>> from motes.tracking.recording import record
        >>> recording = record(tracker, "bike.mp4", motes.Queries.of([(0, 30, 20)]), "long.part")
        >>> recording.save("long.csv")
        >>> recording.complete
        True
    """
    source = open_video(video)
    facts = _facts(tracker, source, queries, every, latency, iterations)
    new = _new_stream(tracker, source, queries, latency, iterations)
    with recording_folder(folder) as path:
        stream = _saved_stream(tracker, path, facts) or new
        advance = progress or silent
        advance(stream.next_frame - source.start)
        if not Recording(path).complete:
            with deferred_signals() as stop, stream.cancelling():
                left = _frames_left(source, stream.next_frame, encoded)
                frames = _until(stop, left)
                waiting = _track(stream, source, queries, frames, path, every, advance)
                if stop():
                    _save(path, waiting, stream)
                    stop.check()
            _finish(stream, waiting, source, queries, path, facts)
        return Recording(path)


def record_live(
    tracker: Tracker,
    video: Any,
    queries: Queries,
    folder: str | PathLike[str],
    *,
    every: int = FRAMES_PER_PART,
    latency: int | None = None,
    iterations: int | None = None,
    progress: Progress | None = None,
    warn: Callable[[str], object] = log.warning,
) -> Recording:
    """Track points through frames that cannot be read again, such as a camera's, in flat memory.

    It ends with the camera, with an error of the camera, or on SIGINT, SIGTERM or SIGHUP; the
    recording then holds every frame that arrived.

    Args:
        tracker: Whose model is used.
        video: Anything that `motes.open_video` opens.
        queries: Points to follow, in pixels of the video.
        folder: Folder of the recording; it must not hold another one.
        every: Frames per part; up to this many are lost when the run is killed.
        latency: See `Tracker.stream`.
        iterations: See `Tracker.track`.
        progress: Called with the number of frames just finished.
        warn: Called with the reason, if it ends before the camera does; by default it is logged.

    Returns:
        The recording.

    Raises:
        InputError: A query does not fit, or no frame arrived.
        FileError: The folder holds a recording, or cannot be written.  Parts that were written
            stay readable.

    Example:
        >>> from motes.tracking.recording import record_live
        >>> frames = iter(motes.open_video("bike.mp4"))  # or 0, the number of a camera
        >>> record_live(tracker, frames, motes.Queries.of([(0, 30, 20)]), "live").tracks().frames
        range(0, 12)
    """
    source = open_video(video)
    source.forget()
    facts = _facts(tracker, source, queries, every, latency, iterations, live=True)
    stream = _new_stream(tracker, source, queries, latency, iterations)
    with recording_folder(folder) as path:
        if not _is_unused(path):
            raise FileError(
                f"{path}: expected no such folder, found what an earlier run left; to write its "
                f"tracks to a file: motes export {path} -o FILE; then remove it"
            )
        _write_facts(path, facts)
        with deferred_signals() as stop:
            frames = _until(stop, _until_failure(source, warn))
            waiting = _track(stream, source, queries, frames, path, every, progress or silent)
            if stop():
                warn("stopped")
            _finish(stream, waiting, source, queries, path, facts)
        return Recording(path)


def is_long(video: Video, limit: int | None = None) -> bool:
    """Whether a video has so many frames that tracking it should survive a kill.

    Args:
        video: Its number of frames may be unknown, then it does not.
        limit: More frames than these; None: than `LONG`.
    """
    return (video.num_frames or 0) > (limit or LONG)


@contextmanager
def recording_folder(folder: str | PathLike[str]) -> Iterator[Path]:
    """Make the folder of a recording, if need be, and let no other run write there.

    A folder in which nothing was recorded is removed at the end.

    Yields:
        Its path.

    Raises:
        FileError: It cannot be made, or another run writes there.

    Example:
        >>> from motes.tracking.recording import recording_folder
        >>> with recording_folder("locked") as path:
        ...     print(path)
        locked
    """
    path = Path(folder).expanduser()
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {path}: {error.strerror or error}") from None
    with locked(path):
        try:
            yield path
        finally:
            if _is_unused(path):
                remove(path)


def _is_unused(folder: Path) -> bool:
    """Whether nothing has been recorded in a folder: a run was killed before it could begin."""
    with suppress(OSError):
        return all(p.name == LOCK or is_temporary(p.name) for p in folder.iterdir())
    return False


def _new_stream(tracker: Tracker, video: Video, queries: Queries, *options: int | None) -> Stream:
    latency, iterations = options
    return tracker.stream(
        queries, fps=video.fps, start=video.start, latency=latency, iterations=iterations
    )


def _track(
    stream: Stream,
    video: Video,
    queries: Queries,
    frames: Iterable[Frame],
    folder: Path,
    every: int,
    progress: Progress,
) -> list[Tracks]:
    """Push frames, and write a part whenever `every` are final; returns those not written yet."""
    waiting: list[Tracks] = []
    for frame in frames:
        waiting += [with_facts(tracks, video, queries) for tracks in stream.push(frame)]
        progress(1)
        if sum(t.num_frames for t in waiting) >= every:
            _save(folder, waiting, stream)
            waiting = []
    return waiting


def _finish(
    stream: Stream,
    waiting: list[Tracks],
    video: Video,
    queries: Queries,
    folder: Path,
    facts: dict[str, Any],
) -> None:
    """Close the stream, and write what is left."""
    rest = stream.close()
    if stream.next_frame == video.start:
        remove(folder)
        raise InputError(f"{video.name}: expected at least one frame, got none")
    _save(folder, waiting + ([with_facts(rest, video, queries)] if rest else []), stream)
    _write_facts(folder, facts | {"complete": True})


def _until(stop: Callable[[], bool], frames: Iterable[Frame]) -> Iterator[Frame]:
    """Frames until a stop is requested."""
    for frame in frames:
        yield frame
        if stop():
            return


def _until_failure(video: Video, warn: Callable[[str], object]) -> Iterator[np.ndarray]:
    """Frames until one fails to decode; the reason goes to `warn`."""
    try:
        yield from video
    except MotesError as error:
        warn(str(error))
    except Exception as error:  # a driver may raise anything; the frames before are kept
        warn(f"{video.name}: {type(error).__name__}: {error}")


def _frames_left(
    video: Video, first: int, encoded: Callable[[int], Iterable[EncodedFrame]] | None
) -> Iterable[Frame]:
    """The frames from number `first` on: none, if a run was stopped after the last one."""
    total = video.num_frames
    if total is not None and first >= video.start + total:
        return ()
    if encoded:
        return encoded(first)
    return read_ahead(open_video(video, start=first), frames_ahead(video.size))


def _save(folder: Path, waiting: list[Tracks], stream: Stream) -> None:
    """Write the next part, then the stream: a run killed in between repeats that part."""
    if waiting:
        part = Tracks.concat_frames(waiting)
        part.save(folder / f"{part.start:08d}.npz")
    stream.save(folder / STATE)


def _facts(
    tracker: Tracker,
    video: Video,
    queries: Queries,
    every: int,
    *options: int | None,
    live: bool = False,
) -> dict[str, Any]:
    """What must be the same for a recording to be continued."""
    facts = tracker_facts(tracker) | query_facts(queries)
    if not live:
        facts |= video_facts(video)
    latency, iterations = options
    numbers = {"latency": latency, "iterations": iterations, "frames per part": every}
    return facts | numbers | {"first frame": video.start}


def _saved_stream(tracker: Tracker, folder: Path, facts: dict[str, Any]) -> Stream | None:
    """The stream of a recording that was started before; None, if there is none."""
    if _is_unused(folder):
        _write_facts(folder, facts)
        return None
    stored = _read_facts(folder)
    different = next((name for name in facts if stored.get(name) != facts[name]), None)
    if different:
        raise InputError(
            f"{folder}: expected a recording with {different} {facts[different]}, "
            f"got {stored.get(different)}; remove it, or write to another place"
        )
    if not (folder / STATE).exists():
        return None
    stream = tracker.resume(folder / STATE)
    _check_parts(folder, stream)
    return stream


def _check_parts(folder: Path, stream: Stream) -> None:
    """Make sure that the parts hold every frame that the stream has answered for."""
    windows, stop = stream.state.windows, stream.state.start
    for part in Recording(folder).parts:
        if _first_frame(part) == stop:
            stop += _num_frames(part)
    final = stream.state.start + (windows.emitted if windows else 0)
    if stop < final:
        raise InputError(
            f"{folder}: expected parts up to frame {final - 1}, found none with frame {stop}; "
            "remove the folder to start again"
        )


def _check_first(folder: Path, parts: list[Path]) -> None:
    expected = _read_facts(folder).get("first frame")
    if parts and _first_frame(parts[0]) != expected:
        raise InputError(
            f"{folder}: expected a first part from frame {expected} on, got {parts[0].name}"
        )


def _first_frame(part: Path) -> int:
    return int(part.stem)


def _num_frames(part: Path) -> int:
    """Number of frames in a part, from the header of an array."""
    try:
        with ZipFile(part) as archive, archive.open("visible.npy") as file:
            np.lib.format.read_magic(file)
            return int(np.lib.format.read_array_header_1_0(file)[0][1])
    except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
        raise FileError(f"{part}: expected tracks; {error}") from None


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    with replacing(folder / FACTS) as temporary:
        temporary.write_text(json.dumps(facts), encoding="utf-8")


def _read_facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except OSError:
        raise FileError(f"{folder}: expected a recording, found no {FACTS}") from None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise FileError(f"{folder}: expected a recording, found a damaged {FACTS}")
    return facts
