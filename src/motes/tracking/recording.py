"""`Recording`: tracks of a long video or a camera on disk as they come; a killed run goes on.

A recording is a folder: ``00000000.npz``, ``00000500.npz``, ... hold the tracks of the frames from
that number on, ``state.pt`` the stream after the last of them, ``recording.json`` what was asked.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motes.common.files import remove, replacing
from motes.common.interrupts import asked_to_stop
from motes.common.progress import Progress, silent
from motes.errors import FileError, InputError, MotesError
from motes.export import save_parts
from motes.queries.points import Queries
from motes.tracks import Tracks
from motes.video import Video, open_video
from motes.video.ahead import read_ahead

if TYPE_CHECKING:
    import numpy as np

    from motes.tracking.stream import Stream
    from motes.tracking.tracker import Tracker

log = logging.getLogger(__name__)

FRAMES_PER_PART = 500
"""Frames whose tracks go to disk at a time; at most these are lost when a run is killed."""


@dataclass(frozen=True)
class Recording:
    """A folder with the tracks of a long video.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @property
    def complete(self) -> bool:
        """Whether the video was tracked to its end."""
        return bool(_read_facts(self.folder).get("complete"))

    @property
    def parts(self) -> list[Path]:
        """Files of the consecutive stretches of frames, in order."""
        return sorted(self.folder.glob("[0-9]*.npz"))

    def __iter__(self) -> Iterator[Tracks]:
        """The tracks, one stretch of frames at a time."""
        return (Tracks.load(part) for part in self.parts)

    def tracks(self) -> Tracks:
        """All tracks at once.

        Raises:
            InputError: Nothing has been recorded yet.
        """
        return Tracks.concat_frames(list(self))

    def save(self, path: str | PathLike[str]) -> None:
        """Write all tracks to one file; all but `.json` without holding all of them.

        Raises:
            InputError: No format has this suffix, or nothing has been recorded yet.
            MissingExtraError: What the format needs is not installed.
            FileError: The file cannot be written.
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
) -> Recording:
    """Track points through a video of any length, in memory that does not grow with it.

    What is there of the same recording is kept, and tracking goes on after it; so a run that was
    interrupted or killed is continued by running it again.

    Args:
        tracker: Whose model is used.
        video: Anything that `motes.open_video` opens.
        queries: What to follow.
        folder: Where the recording is, or comes to be.
        every: Frames whose tracks go to disk at a time.
        latency: See `Tracker.stream`.
        iterations: See `Tracker.track`.
        progress: Called with the number of frames just finished.

    Returns:
        The recording.

    Raises:
        InputError: A query does not fit, or the folder holds another recording.
        FileError: The video cannot be read, or the folder cannot be written.  What is there stays
            readable.
    """
    source = open_video(video)
    place = Path(folder).expanduser()
    asked = _asked(tracker, source, queries, every, latency, iterations)
    stream = _continue(tracker, place, asked)
    if stream is None:
        stream = _begin(tracker, source, queries, latency, iterations)
    advance = progress or silent
    advance(stream.next_frame - source.start)
    if not Recording(place).complete:
        with asked_to_stop() as stop:
            frames = _until(stop, _frames_left(source, stream.next_frame))
            waiting = _follow(stream, frames, place, every, advance)
            if stop():
                _save(place, waiting, stream)
                raise KeyboardInterrupt
        _finish(stream, waiting, source, place, asked)
    return Recording(place)


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
    tell: Callable[[str], object] = log.warning,
) -> Recording:
    """Track points through what cannot be seen again, such as a camera, in flat memory.

    It ends with the camera, also with one that fails, and on SIGINT and SIGTERM; the recording then
    holds every frame that came.

    Args:
        tracker: Whose model is used.
        video: Anything that `motes.open_video` opens.
        queries: What to follow.
        folder: Where the recording comes to be; nothing is there yet.
        every: Frames whose tracks go to disk at a time; these are lost when the run is killed.
        latency: See `Tracker.stream`.
        iterations: See `Tracker.track`.
        progress: Called with the number of frames just finished.
        tell: Called with the reason, if it ends before the camera does; by default it is logged.

    Returns:
        The recording.

    Raises:
        InputError: A query does not fit, or no frame came.
        FileError: The folder is there already, or cannot be written.  What is there stays readable.
    """
    source = open_video(video)
    source.forget()
    place = Path(folder).expanduser()
    asked = _asked(tracker, source, queries, every, latency, iterations)
    stream = _begin(tracker, source, queries, latency, iterations)
    if place.exists():
        raise FileError(
            f"{place}: expected no such folder, found what an earlier run left; to write its "
            f"tracks to a file: motes export {place} -o FILE; then remove it"
        )
    _make(place, asked)
    with asked_to_stop() as stop:
        frames = _until(stop, _while_it_works(source, tell))
        waiting = _follow(stream, frames, place, every, progress or silent)
        if stop():
            tell("stopped")
        _finish(stream, waiting, source, place, asked)
    return Recording(place)


def _begin(tracker: Tracker, video: Video, queries: Queries, *options: int | None) -> Stream:
    latency, iterations = options
    return tracker.stream(
        queries, fps=video.fps, start=video.start, latency=latency, iterations=iterations
    )


def _follow(
    stream: Stream, frames: Iterable[np.ndarray], folder: Path, every: int, progress: Progress
) -> list[Tracks]:
    """Push frames, and write a part whenever `every` are final; gives what then is not written."""
    waiting: list[Tracks] = []
    for frame in frames:
        waiting += stream.push(frame)
        progress(1)
        if sum(t.num_frames for t in waiting) >= every:
            _save(folder, waiting, stream)
            waiting = []
    return waiting


def _finish(
    stream: Stream, waiting: list[Tracks], video: Video, folder: Path, asked: dict[str, Any]
) -> None:
    """Close the stream, and write what is left."""
    rest = stream.close()
    if stream.next_frame == video.start:
        remove(folder)
        raise InputError(f"{video.name}: expected at least one frame, got none")
    _save(folder, waiting + ([rest] if rest else []), stream)
    _write_facts(folder, asked | {"complete": True})


def _until(stop: Callable[[], bool], frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames, as long as it is not asked to stop."""
    for frame in frames:
        yield frame
        if stop():
            return


def _while_it_works(video: Video, tell: Callable[[str], object]) -> Iterator[np.ndarray]:
    """The frames before one that cannot be had; then `tell` hears why."""
    try:
        yield from video
    except MotesError as error:
        tell(str(error))
    except Exception as error:  # a driver may raise anything; what came before it is kept
        tell(f"{video.name}: {type(error).__name__}: {error}")


def _frames_left(video: Video, first: int) -> Iterator[np.ndarray]:
    """The frames from number `first` on: none, if a run was stopped after the last one."""
    total = video.num_frames
    over = total is not None and first >= video.start + total
    return iter(()) if over else read_ahead(open_video(video, start=first))


def _save(folder: Path, waiting: list[Tracks], stream: Stream) -> None:
    """Write the next part, then the stream: one killed in between repeats that part."""
    if waiting:
        part = Tracks.concat_frames(waiting)
        part.save(folder / f"{part.start:08d}.npz")
    stream.save(folder / "state.pt")


def _continue(tracker: Tracker, folder: Path, asked: dict[str, Any]) -> Stream | None:
    """The stream of a recording that has begun; None, if there is nothing to go on with."""
    if not folder.exists():
        _make(folder, asked)
        return None
    found = _read_facts(folder)
    different = [name for name in asked if found.get(name) != asked[name]]
    if different:
        name = different[0]
        raise InputError(
            f"{folder}: expected a recording with {name} {asked[name]}, got {found.get(name)}; "
            "choose another folder, or remove this one"
        )
    state = folder / "state.pt"
    return tracker.resume(state) if state.exists() else None


def _asked(
    tracker: Tracker, video: Video, queries: Queries, every: int, *options: int | None
) -> dict[str, Any]:
    """What must be the same for a recording to be continued."""
    return {
        "model": tracker.preset.name,
        "dtype": str(tracker.dtype),
        "video": video.name,
        "size": list(video.size),
        "range": [video.start, video.end],
        "queries": queries.txy.tolist(),
        "every": every,
        "options": list(options),
    }


def _make(folder: Path, asked: dict[str, Any]) -> None:
    try:
        folder.mkdir()
    except OSError as error:
        raise FileError(f"cannot make the folder {folder}: {error.strerror}") from None
    _write_facts(folder, asked)


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    with replacing(folder / "recording.json") as temporary:
        temporary.write_text(json.dumps(facts), encoding="utf-8")


def _read_facts(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "recording.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise FileError(f"{folder}: expected a recording, found no recording.json") from None
