"""The addresses of live sources."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, WebSocket
from pydantic import Field
from starlette.websockets import WebSocketDisconnect

from motes.web.api import Host
from motes.web.live import Live
from motes.web.requests import Body

router = APIRouter(prefix="/api/live")

SHOWN_SECONDS = 10
"""Longest wait for a page to say that it has drawn a frame."""


class Source(Body):
    """The number of a camera or the address of a stream."""

    source: str = Field(max_length=1000)


class LivePoint(Body):
    """A position in the frame that the page showed."""

    x: float
    y: float
    number: int


def live(id: str, request: Request) -> Live:
    """The source of an address."""
    return request.app.state.studio.live.get(id)


Shown = Annotated[Live, Depends(live)]


@router.post("")
async def open_source(body: Source, host: Host) -> dict[str, Any]:
    """Open a camera or a stream."""
    return (await host.live.open(body.source, host.tracker)).info()


@router.post("/{id}/points")
async def add(body: LivePoint, shown: Shown) -> dict[str, Any]:
    """Follow a point."""
    shown.add(body.x, body.y, body.number)
    return {}


@router.post("/{id}/clear")
async def clear(shown: Shown) -> dict[str, Any]:
    """Follow no points."""
    shown.clear()
    return {}


@router.delete("/{id}")
async def close(id: str, host: Host) -> dict[str, Any]:
    """Stop a source."""
    host.live.close(id)
    return {}


@router.websocket("/{id}/events")
async def events(id: str, socket: WebSocket) -> None:
    """Frames with their tracks; the next one is sent when the page has drawn the one before.

    Any text that the page sends says that it has drawn; the latency is measured up to then.
    """
    try:
        shown = socket.app.state.studio.live.get(id)
    except OSError:
        await socket.close(1008, "expected a live source that is open")
        return
    await socket.accept()
    shown.viewers += 1
    try:
        await _send_frames(socket, shown)
    except (WebSocketDisconnect, KeyError, RuntimeError, TimeoutError):
        pass  # the page has left, or does not answer
    finally:
        shown.viewers -= 1


async def _send_frames(socket: WebSocket, shown: Live) -> None:
    number, latency = -1, None
    while (frame := await shown.after(number)) is not None:
        await socket.send_bytes(frame.message(latency))
        await asyncio.wait_for(socket.receive_text(), SHOWN_SECONDS)
        number, latency = frame.number, time.monotonic() - frame.arrived
    await socket.close(1000, (shown.ended or "")[:100])
