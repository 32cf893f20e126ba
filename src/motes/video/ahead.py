"""Read frames ahead in a thread, so that decoding and tracking overlap."""

from collections.abc import Iterable, Iterator
from queue import Queue
from threading import Event, Thread
from typing import Any, TypeVar

Frame = TypeVar("Frame")

AHEAD = 8
"""Frames that wait at most."""

AHEAD_BYTES = 64 << 20
"""Bytes of these frames; one may always wait."""


def frames_ahead(size: tuple[int, int]) -> int:
    """How many frames of ``(W, H)`` pixels may wait."""
    W, H = size
    return max(1, min(AHEAD, AHEAD_BYTES // (3 * W * H)))


def read_ahead(frames: Iterable[Frame], count: int = AHEAD) -> Iterator[Frame]:
    """Yield the frames of a video while a thread decodes the next ones.

    Args:
        frames: Where they come from; what this iterable does, such as resizing, runs ahead, too.
        count: How many may wait.

    Yields:
        The same frames in the same order; an error comes where it happened.
    """
    waiting: Queue[tuple[str, Any]] = Queue(count)
    stopped = Event()

    def read() -> None:
        try:
            for frame in frames:
                if stopped.is_set():
                    return
                waiting.put(("frame", frame))
            waiting.put(("end", None))
        except BaseException as error:  # it is raised again where the frames are used
            waiting.put(("error", error))

    reader = Thread(target=read, daemon=True)
    reader.start()
    try:
        while (item := waiting.get())[0] == "frame":
            yield item[1]
        if item[0] == "error":
            raise item[1]
    finally:
        stopped.set()
        while not waiting.empty():  # let a reader that waits for room see that it is over
            waiting.get_nowait()
