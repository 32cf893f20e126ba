"""`Recording`: tracks of a long video, written to disk as they come; a killed run goes on.

A recording is a folder: ``00000000.npz``, ``00000500.npz``, ... hold the tracks of the frames from
that number on, ``state.pt`` the stream after the last of them, ``recording.json`` what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motes.errors import FileError, InputError
from motes.export import save_parts
from motes.files import replacing
from motes.interrupts import asked_to_stop
from motes.progress import Progress, silent
from motes.queries.points import Queries
from motes.tracks import Tracks
from motes.video import Video, open_video
from motes.video.ahead import read_ahead

if TYPE_CHECKING:
    import numpy as np

    from motes.stream import Stream
    from motes.tracker import Tracker

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
        """Write all tracks to one file; as `.csv` and `.parquet` without holding all of them.

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
        stream = tracker.stream(
            queries, fps=source.fps, start=source.start, latency=latency, iterations=iterations
        )
    advance = progress or silent
    advance(stream.next_frame - source.start)
    if not Recording(place).complete:
        _run(stream, source, place, every, advance)
        _write_facts(place, asked | {"complete": True})
    return Recording(place)


def _run(stream: Stream, video: Video, folder: Path, every: int, progress: Progress) -> None:
    """Push the frames that are left, and write a part whenever `every` frames are final.

    Raises:
        KeyboardInterrupt: It was asked to stop; what was final by then is written.
    """
    waiting: list[Tracks] = []
    with asked_to_stop() as stop:
        for frame in _frames_left(video, stream.next_frame):
            waiting += stream.push(frame)
            progress(1)
            if stop() or sum(t.num_frames for t in waiting) >= every:
                _save(folder, waiting, stream)
                waiting = []
            if stop():
                raise KeyboardInterrupt
    rest = stream.close()
    if stream.next_frame == video.start:
        raise InputError(f"{video.name}: expected at least one frame, got none")
    _save(folder, waiting + ([rest] if rest else []), stream)


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
