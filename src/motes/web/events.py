"""Messages from the server to the pages that show a document."""

from __future__ import annotations

import asyncio
import json
import struct
from collections import deque
from typing import Any

import numpy as np

Message = str | bytes


class Listener:
    """The queue of one page; a page that does not read is dropped when too much waits."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._waiting: deque[Message] = deque()
        self._changed = asyncio.Event()
        self.dropped = False

    def put(self, message: Message) -> None:
        """Append a message."""
        self._size += len(message)
        self.dropped |= self._size > self._limit
        if self.dropped:
            self._waiting.clear()
        else:
            self._waiting.append(message)
        self._changed.set()

    async def get(self) -> Message | None:
        """The next message; None, if this page was dropped."""
        while not self._waiting and not self.dropped:
            self._changed.clear()
            await self._changed.wait()
        if self.dropped:
            return None
        message = self._waiting.popleft()
        self._size -= len(message)
        return message


class Channel:
    """All pages that show one document."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._listeners: set[Listener] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self) -> Listener:
        """A new page."""
        listener = Listener(self._limit)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """A page that was closed."""
        self._listeners.discard(listener)

    def send(self, type: str, **content: Any) -> None:
        """Send a JSON message to all pages."""
        self.send_raw(to_json(type, **content))

    def send_raw(self, message: Message) -> None:
        """Send a message that is encoded already."""
        for listener in self._listeners:
            listener.put(message)


def to_json(type: str, **content: Any) -> str:
    """A message as text."""
    return json.dumps({"type": type, **content}, separators=(",", ":"))


def to_binary(header: dict[str, Any], body: bytes) -> bytes:
    """A message of JSON and bytes: length of the JSON (uint32, little-endian), JSON, body.

    The JSON is padded with spaces, so that the body begins at a multiple of four bytes.
    """
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + body


def stretch_message(
    ids: list[int], start: int, xy: np.ndarray, visible: np.ndarray, confidence: np.ndarray
) -> bytes:
    """Frames ``start ..`` of some points.

    Args:
        ids: Of N points.
        start: Number of the first frame.
        xy: ``[N, F, 2]``.
        visible: ``[N, F]``.
        confidence: ``[N, F]``.

    Returns:
        A binary message; its body is float32 ``[N, F, 4]``: x, y, visible (0 or 1), confidence.
    """
    table = np.concatenate([xy, visible[..., None], confidence[..., None]], -1)
    header = {"type": "tracks", "ids": ids, "start": start, "frames": table.shape[1]}
    return to_binary(header, table.astype("<f4").tobytes())
