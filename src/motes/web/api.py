"""The addresses of the server: one short function each; the work is done elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket
from fastapi.responses import FileResponse
from starlette.websockets import WebSocketDisconnect

from motes import __version__
from motes.common.files import remove
from motes.errors import InputError
from motes.queries.select import select
from motes.web import requests
from motes.web.document import Document
from motes.web.events import to_json
from motes.web.exports import choices
from motes.web.folder import PROJECT_SUFFIX, confined, listing
from motes.web.project import save_project
from motes.web.studio import Studio

router = APIRouter(prefix="/api")

TRY_AGAIN = 1013
"""Code of a WebSocket that is closed because its page reads too slowly."""


def studio(request: Request) -> Studio:
    """The state of the server."""
    return request.app.state.studio


def document(id: str, request: Request) -> Document:
    """The video of an address."""
    return studio(request).document(id)


Host = Annotated[Studio, Depends(studio)]
Shown = Annotated[Document, Depends(document)]


# The start page


@router.get("/hello")
async def hello(host: Host) -> dict[str, Any]:
    """What the page needs to know of the server."""
    return {
        "version": __version__,
        "model": host.model,
        "folder": host.settings.root.resolve().name or "/",
        "uploadBytes": host.settings.limits.upload_bytes,
        "choices": choices(),
        "open": [_listed(d) for d in host.documents.values()],
    }


def _listed(d: Document) -> dict[str, Any]:
    info = d.footage.info
    return {
        "id": d.id,
        "name": info.name,
        "frames": info.num_frames,
        "size": info.size,
        "points": len(d.points),
        "changed": d.changed,
    }


@router.get("/files")
def files(host: Host, path: str = ".") -> dict[str, Any]:
    """Videos and projects of a folder."""
    return {"path": path, "entries": listing(host.settings.root, path)}


@router.post("/open")
async def open_video(body: requests.Open, host: Host) -> dict[str, Any]:
    """Open a video or a project of the shared folder, or the bundled clip."""
    if body.demo:
        return (await host.open_demo()).state()
    if body.path is None:
        raise InputError("open: expected a path, or the demo")
    if Path(body.path).suffix.lower() == PROJECT_SUFFIX:
        path = confined(host.settings.root, body.path)
        saved_as = path.relative_to(host.settings.root.resolve()).as_posix()
        return (await host.open_project(path, body.path, saved_as)).state()
    return (await host.open_path(body.path)).state()


@router.put("/uploads")
async def upload(name: Annotated[str, Query(max_length=300)], request: Request) -> dict[str, Any]:
    """Open a video or a project that the browser sends."""
    host, name = studio(request), Path(name).name
    path = host.upload_path(name)
    try:
        with path.open("wb") as file:
            async for piece in request.stream():
                await asyncio.to_thread(file.write, piece)
        if path.suffix == PROJECT_SUFFIX:
            opened = await host.open_project(path, name, None)
            remove(path)
        else:
            opened = await host.open_upload(path, name)
    except BaseException:
        remove(path)
        raise
    return opened.state()


# One video


@router.get("/documents/{id}")
async def state(shown: Shown) -> dict[str, Any]:
    """Everything but the tracks."""
    return shown.state()


@router.delete("/documents/{id}")
async def close(id: str, host: Host) -> dict[str, Any]:
    """Close a video."""
    host.close_document(id)
    return {}


@router.get("/documents/{id}/frames/{number}")
def frame(
    number: int, shown: Shown, height: Annotated[int | None, Query(ge=16, le=400)] = None
) -> Response:
    """One frame as JPEG; a document never changes its frames."""
    picture = shown.footage.jpeg(number, height)
    return Response(picture, media_type="image/jpeg", headers={"cache-control": "max-age=86400"})


@router.websocket("/documents/{id}/events")
async def events(id: str, socket: WebSocket) -> None:
    """The state, then everything that changes."""
    shown = socket.app.state.studio.documents.get(id)
    if shown is None:
        await socket.close(1008, "expected an open video")
        return
    await socket.accept()
    listener = shown.channel.join()
    listener.put(to_json("state", **shown.state()))
    if (tracks := shown.all_tracks()) is not None:
        listener.put(tracks)
    sender = asyncio.create_task(_send_all(socket, listener))
    try:
        while True:  # pages only listen; this waits until they leave
            await socket.receive_text()
    except (WebSocketDisconnect, KeyError, RuntimeError):
        pass
    finally:
        shown.channel.leave(listener)
        sender.cancel()


async def _send_all(socket: WebSocket, listener: Any) -> None:
    try:
        while (message := await listener.get()) is not None:
            if isinstance(message, str):
                await socket.send_text(message)
            else:
                await socket.send_bytes(message)
        await socket.close(TRY_AGAIN)
    except (WebSocketDisconnect, RuntimeError):
        pass  # the page has left


# Commands


@router.post("/documents/{id}/points")
async def add(body: requests.Add, shown: Shown) -> dict[str, Any]:
    """Track points."""
    return {"ids": shown.add(body.xy, body.at, body.direction)}


@router.post("/documents/{id}/region")
async def add_region(body: requests.Region, shown: Shown) -> dict[str, Any]:
    """Track points inside a region."""
    if (body.spacing is None) == (body.corners is None):
        raise InputError("region: expected either a spacing or a number of corners")
    mask = body.mask(shown.footage.info.size)
    queries = await asyncio.to_thread(
        lambda: select(
            shown.footage.open(),
            dense=body.spacing,
            corners=body.corners,
            mask=mask,
            at=body.at,
        )
    )
    return {"ids": shown.add(queries.xy.tolist(), body.at, body.direction)}


@router.put("/documents/{id}/points/{point}/key")
async def correct(point: int, body: requests.Correct, shown: Shown) -> dict[str, Any]:
    """Correct a point; it is tracked again from there."""
    shown.correct(point, body.t, body.x, body.y)
    return {}


@router.delete("/documents/{id}/points/{point}/key/{t}")
async def remove_key(point: int, t: int, shown: Shown) -> dict[str, Any]:
    """Take a correction back."""
    shown.remove_key(point, t)
    return {}


@router.patch("/documents/{id}/points")
async def edit(body: requests.Edit, shown: Shown) -> dict[str, Any]:
    """Rename, hide or show points."""
    shown.edit(body.ids, name=body.name, hidden=body.hidden)
    return {}


@router.post("/documents/{id}/delete")
async def delete(body: requests.Delete, shown: Shown) -> dict[str, Any]:
    """Remove points."""
    shown.delete(body.ids)
    return {}


@router.post("/documents/{id}/track")
async def track(body: requests.Track, shown: Shown) -> dict[str, Any]:
    """Track points anew."""
    shown.track(body.ids, body.direction)
    return {}


@router.post("/documents/{id}/undo")
async def undo(shown: Shown) -> dict[str, Any]:
    """Take back the last command."""
    shown.undo()
    return {}


@router.post("/documents/{id}/redo")
async def redo(shown: Shown) -> dict[str, Any]:
    """Repeat what was taken back."""
    shown.redo()
    return {}


@router.post("/documents/{id}/cancel")
async def cancel(shown: Shown) -> dict[str, Any]:
    """Stop tracking."""
    shown.cancel()
    return {}


# Files


@router.post("/documents/{id}/project")
async def save(body: requests.Save, shown: Shown, host: Host) -> dict[str, Any]:
    """Save a project into the shared folder."""
    path = host.save_document(shown, body.path, body.overwrite)
    shown.channel.send("saved", path=path)
    return {"path": path}


@router.get("/documents/{id}/project")
def download_project(shown: Shown, host: Host) -> FileResponse:
    """The project as a download."""
    name = Path(shown.footage.info.name).stem + PROJECT_SUFFIX
    path = host.temporary / f"{shown.id}{PROJECT_SUFFIX}"
    save_project(shown, path)
    return FileResponse(path, filename=name)


@router.post("/documents/{id}/exports")
async def export(body: requests.Export, shown: Shown, host: Host) -> dict[str, Any]:
    """Write an export; the answer says where it can be downloaded."""
    done = await host.export(shown, body.kind, body.ids, body.style)
    return {"url": f"/api/exports/{done.id}", "name": done.path.name}


@router.get("/exports/{export_id}")
def download(export_id: str, host: Host) -> FileResponse:
    """A finished export."""
    path = host.exported(export_id).path
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")
