"""Live sources: a camera or a stream, with points that are clicked while it runs.

Two threads a source: one reads and keeps only the newest frame, the other tracks and encodes it.
Frames that come faster than they can be tracked are passed over.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any

from motes.errors import FileError, InputError, MotesError
from motes.tracking.stream import Stream
from motes.tracking.tracker import Tracker
from motes.tracks import Tracks
from motes.video import Video, open_video
from motes.web.document import color_of
from motes.web.events import to_binary
from motes.web.footage import to_jpeg

ADDRESS = re.compile(r"(rtsp|rtsps|rtmp|http|https|srt|udp)://[^\s]+", re.IGNORECASE)
"""What can be a stream; other protocols of FFmpeg read files of this machine."""

CAMERA = re.compile(r"[0-9]{1,2}")
OPEN_SECONDS = 20
MAX_SOURCES = 2
MAX_POINTS = 200


def parse_source(text: str) -> int | str:
    """The number of a camera, or the address of a stream.

    Raises:
        InputError: It is neither.
    """
    text = text.strip()
    if CAMERA.fullmatch(text):
        return int(text)
    if ADDRESS.fullmatch(text):
        return text
    raise InputError("live: expected the number of a camera, or an address such as rtsp://...")


@dataclass(frozen=True)
class LiveFrame:
    """A frame with its tracks.

    Attributes:
        number: Counted from 0 for the frames that were tracked.
        arrived: Time at which it was read, in seconds of `time.monotonic`.
        tracked: Time at which its tracks were known.
        picture: JPEG.
        tracks: Of this frame.
    """

    number: int
    arrived: float
    tracked: float
    picture: bytes
    tracks: Tracks | None

    def message(self, latency: float | None) -> bytes:
        """For the page; `latency` is that of an earlier frame, in seconds."""
        points = [] if self.tracks is None else _rows(self.tracks)
        header = {
            "number": self.number,
            "points": points,
            "tracking": round(1000 * (self.tracked - self.arrived), 1),
            "latency": None if latency is None else round(1000 * latency, 1),
        }
        return to_binary(header, self.picture)


def _rows(tracks: Tracks) -> list[list[Any]]:
    """Of the last frame: id, colour, x, y, visible."""
    xy, visible = tracks.xy[:, -1].tolist(), tracks.visible[:, -1].tolist()
    return [
        [i, color_of(i), round(x, 2), round(y, 2), seen]
        for i, (x, y), seen in zip(tracks.ids.tolist(), xy, visible, strict=True)
    ]


class Live:
    """A live source that is being tracked.

    Attributes:
        id: In the addresses of the page.
        video: The source.
        viewers: Number of pages that show it.
    """

    def __init__(self, source: int | str, tracker: Tracker, post: Callable[..., object]) -> None:
        """Open a source; blocks until its first frame is there.

        Args:
            source: See `parse_source`.
            tracker: Follows the points.
            post: Calls a function in the thread of the server.

        Raises:
            FileError: It cannot be opened.
        """
        self.id = secrets.token_urlsafe(9)
        self.video: Video = open_video(source)
        self.viewers = 0
        self._stream: Stream = tracker.stream(fps=self.video.fps, latency=1)
        self._post = post
        self._changed, self._newest = Condition(), _Newest()
        self._commands: list[Callable[[], object]] = []
        self._shown: LiveFrame | None = None
        self._arrived = asyncio.Event()
        self.ended: str | None = None
        for work in (self._read, self._track):
            Thread(target=self._run, args=(work,), name="motes-live", daemon=True).start()

    def info(self) -> dict[str, Any]:
        """What the page shows."""
        return {"id": self.id, "name": self.video.name, "size": self.video.size}

    def add(self, x: float, y: float, number: int) -> None:
        """Follow the point that is at (x, y) in frame `number`, or from the next frame on.

        Raises:
            InputError: It lies outside the image, or there are too many points.
        """
        W, H = self.video.size
        if not (-0.5 <= x <= W - 0.5 and -0.5 <= y <= H - 0.5):
            raise InputError(f"point: expected one inside the {W}x{H} image, got ({x:g}, {y:g})")
        if len(self._stream.ids) >= MAX_POINTS:
            raise InputError(f"points: expected at most {MAX_POINTS}")
        self._command(lambda: self._add(x, y, number))

    def _add(self, x: float, y: float, number: int) -> None:
        try:
            self._stream.add([(x, y)], min(number, self._stream.next_frame))
        except InputError:  # the frame is gone already
            self._stream.add([(x, y)])

    def clear(self) -> None:
        """Follow no points."""
        self._command(lambda: self._stream.remove(self._stream.ids))

    def close(self, reason: str = "stopped") -> None:
        """End both threads."""
        with self._changed:
            self.ended = self.ended or reason
            self._changed.notify_all()
        self._post(self._arrived.set)

    async def after(self, number: int) -> LiveFrame | None:
        """The newest frame after frame `number`; None when the source has ended."""
        while self.ended is None:
            if self._shown is not None and self._shown.number > number:
                return self._shown
            self._arrived.clear()
            await self._arrived.wait()
        return None

    def _command(self, command: Callable[[], object]) -> None:
        with self._changed:
            self._commands.append(command)

    def _run(self, work: Callable[[], object]) -> None:
        """One of the two threads; when it ends, so does the source."""
        reason = "the source has ended"
        try:
            work()
        except MotesError as error:
            reason = str(error)
        except Exception:  # a fault of one source must not be silent, nor end the server
            traceback.print_exc()
            reason = "the server could not go on with this source; its terminal says why"
        self.close(reason)

    def _read(self) -> None:
        """Keep the newest frame; what comes faster than its rate is slowed down to it."""
        began = time.monotonic()
        for n, frame in enumerate(self.video):
            time.sleep(max(0.0, began + n / float(self.video.fps) - time.monotonic()))
            with self._changed:
                if self.ended is not None:
                    return
                self._newest = _Newest(frame, time.monotonic())
                self._changed.notify_all()

    def _track(self) -> None:
        while (newest := self._next()) is not None:
            number = self._stream.next_frame
            parts = self._stream.push(newest.frame)
            tracked = time.monotonic()
            tracks = parts[-1] if parts and len(parts[-1]) else None
            picture = to_jpeg(newest.frame)
            self._post(self._show, LiveFrame(number, newest.arrived, tracked, picture, tracks))

    def _next(self) -> _Newest | None:
        """Wait for a frame, and carry out what was asked for before it."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended is not None or self._newest.frame is not None)
            if self.ended is not None:
                return None
            newest, self._newest = self._newest, _Newest()
            commands, self._commands = self._commands, []
        for command in commands:
            command()
        return newest

    def _show(self, frame: LiveFrame) -> None:
        self._shown = frame
        self._arrived.set()


def _close_late(opening: asyncio.Future[Live]) -> None:
    """Nobody waits any more for what was opened."""
    if opening.exception() is None:
        opening.result().close()


@dataclass(frozen=True)
class _Newest:
    frame: Any = None
    arrived: float = 0.0


class LiveSources:
    """The live sources of a server."""

    def __init__(self) -> None:
        self._sources: dict[str, Live] = {}

    async def open(self, text: str, tracker: Callable[[], Tracker]) -> Live:
        """Open a camera or a stream.

        Raises:
            InputError: The text is no source, or too many are open.
            FileError: It cannot be opened, or not in time.
        """
        source = parse_source(text)
        self._close_unseen()
        if len(self._sources) >= MAX_SOURCES:
            raise InputError(f"live: expected at most {MAX_SOURCES} sources at a time")
        loop = asyncio.get_running_loop()

        def post(call: Callable[..., object], *values: Any) -> None:
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(call, *values)

        opening = asyncio.ensure_future(asyncio.to_thread(lambda: Live(source, tracker(), post)))
        try:
            live = await asyncio.wait_for(asyncio.shield(opening), OPEN_SECONDS)
        except TimeoutError:
            opening.add_done_callback(_close_late)
            raise FileError(f"live: expected a frame within {OPEN_SECONDS} s") from None
        self._sources[live.id] = live
        return live

    def get(self, id: str) -> Live:
        """An open source.

        Raises:
            FileError: None has this id.
        """
        if id not in self._sources:
            raise FileError("expected a live source that is open; it was stopped")
        return self._sources[id]

    def close(self, id: str) -> None:
        """Stop a source."""
        self.get(id).close()
        del self._sources[id]

    def close_all(self) -> None:
        """Stop all sources."""
        for id in list(self._sources):
            self.close(id)

    def _close_unseen(self) -> None:
        for live in list(self._sources.values()):
            if live.ended is not None or not live.viewers:
                self.close(live.id)
