"""All that one server holds: the model, the open videos, uploads and exports."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any

from motes.common.files import check_overwrites, remove
from motes.common.registry import suggest
from motes.common.temporary import temporary_folder
from motes.errors import FileError, InputError
from motes.tracking.load import DEFAULT_MODEL, presets
from motes.tracking.memory import parse_bytes
from motes.tracking.session import Session
from motes.tracking.tracker import Tracker
from motes.web.document import Document
from motes.web.exports import Look, check_kind, write_export
from motes.web.folder import PROJECT_SUFFIX, confined, confined_video
from motes.web.footage import Footage, JpegCache
from motes.web.live import LiveSources
from motes.web.project import Project, load_project, save_project
from motes.web.settings import Settings
from motes.web.worker import Worker

DEMO_NAME = "demo.mp4"
WARM_FRAMES = 150
"""Frames that are prepared when a video is opened."""


@dataclass(frozen=True)
class Exported:
    """A finished export that waits to be downloaded."""

    id: str
    path: Path


class Studio:
    """The state of a server; used in its thread, but for methods that say otherwise.

    Attributes:
        settings: What it was started with.
        documents: Open videos, by id.
        temporary: A private folder for uploads and exports; removed by `close`.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; the model is loaded with the first video.

        Raises:
            InputError: The model is unknown, or the memory is no size.
        """
        self.settings = settings
        self.model = settings.model or DEFAULT_MODEL
        if self.model not in presets():
            raise suggest(self.model, presets(), "model")
        if settings.memory is not None:
            parse_bytes(settings.memory)
        self.documents: dict[str, Document] = {}
        self._folder = temporary_folder("serve")
        self.temporary = Path(self._folder.name)
        self._cache = JpegCache(settings.limits.cache_bytes)
        self.live = LiveSources()
        self._tracker: Tracker | None = None
        self._loading = Lock()
        self._worker: Worker | None = None
        self._exported: dict[str, Exported] = {}
        self._exporting = 0

    def start(self) -> None:
        """Start the worker; called in the loop of the server."""
        loop = asyncio.get_running_loop()

        def post(call: Callable[..., object], value: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(call, value)

        self._worker = Worker(post)

    def close(self) -> None:
        """Stop all work and remove the temporary folder."""
        self.live.close_all()
        for document in self.documents.values():
            document.close()
        if self._worker is not None:
            self._worker.close()
        self._folder.cleanup()

    # Videos

    async def open_path(self, path: str) -> Document:
        """Open a video of the shared folder; one that is open already is shown again.

        Raises:
            InputError: It lies outside the folder, or too many videos are open.
            FileError: It cannot be read.
        """
        return await self._open({"path": path}, confined_video(self.settings.root, path))

    async def open_demo(self) -> Document:
        """Open the clip that comes with motes."""
        return await self._open({"demo": True}, Path(str(files("motes") / "assets" / DEMO_NAME)))

    async def open_upload(self, path: Path, name: str) -> Document:
        """Open a video that was uploaded.

        Raises:
            InputError: Its content does not fit, or too many videos are open.
            FileError: It cannot be read.
        """
        return await self._open({"upload": name}, path, name)

    async def open_project(self, path: Path, name: str, saved_as: str | None) -> Document:
        """Open a project file and its video.

        Raises:
            InputError: It is no project, or its video is not the one that it was made on.
            FileError: The file or its video cannot be read.
        """
        project = await asyncio.to_thread(load_project, path, name)
        document = await self._open_source(project)
        info = document.footage.info
        project.check_video(info.size, info.num_frames)
        if document.points:  # it is shown already: keep that, and show the project beside it
            document = self._add(document.source, document.footage)
        document.restore(project.points)
        document.saved_as = saved_as
        return document

    async def _open_source(self, project: Project) -> Document:
        source = project.source
        if "demo" in source:
            return await self.open_demo()
        if "path" in source:
            return await self.open_path(str(source["path"]))
        found = [d for d in self.documents.values() if d.footage.info.name == project.name]
        if not found:
            raise FileError(f"{project.name}: expected this video to be open; upload it first")
        return found[0]

    async def _open(self, source: dict[str, Any], path: Path, name: str | None = None) -> Document:
        for document in self.documents.values():
            if document.source == source and document.footage.path == path:
                return document
        self._check_room()
        limits = self.settings.limits
        footage = await asyncio.to_thread(Footage, path, name or path.name, self._cache, limits)
        return self._add(source, footage)

    def _add(self, source: dict[str, Any], footage: Footage) -> Document:
        self._check_room()
        if self._worker is None:
            raise RuntimeError("expected start() before a video is opened")
        id, limits = secrets.token_urlsafe(9), self.settings.limits
        document = Document(id, footage, source, self._worker, self._session, limits)
        self.documents[id] = document
        document.warm(WARM_FRAMES)
        return document

    def _check_room(self) -> None:
        """Make room by closing what is neither shown nor changed.

        Raises:
            InputError: Everything is in use.
        """
        most = self.settings.limits.documents
        idle = [d for d in self.documents.values() if not len(d.channel) and not d.changed]
        while len(self.documents) >= most and idle:
            self.close_document(idle.pop(0).id)
        if len(self.documents) >= most:
            raise InputError(f"videos: expected at most {most} open at a time; close one first")

    def document(self, id: str) -> Document:
        """An open video.

        Raises:
            FileError: None has this id.
        """
        if id not in self.documents:
            raise FileError("expected an open video; it was closed, or the server was restarted")
        return self.documents[id]

    def close_document(self, id: str) -> None:
        """Close a video; an uploaded one is deleted."""
        document = self.document(id)
        del self.documents[id]
        document.close()
        path = document.footage.path
        shown = any(d.footage.path == path for d in self.documents.values())
        if path.is_relative_to(self.temporary) and not shown:
            remove(path)

    def _session(self, footage: Footage) -> Session:
        """Called in the worker."""
        return self.tracker().session(footage.open())

    def tracker(self) -> Tracker:
        """The model, loaded when it is first needed; callable from any thread."""
        from motes.tracking.load import load

        with self._loading:
            self._tracker = self._tracker or load(self.model, memory=self.settings.memory)
        return self._tracker

    # Files

    def upload_path(self, name: str) -> Path:
        """Where an upload of this name goes.

        Raises:
            InputError: Too many uploads are kept.
        """
        folder = self.temporary / "uploads"
        folder.mkdir(exist_ok=True, mode=0o700)
        if len(list(folder.iterdir())) >= self.settings.limits.uploads:
            most = self.settings.limits.uploads
            raise InputError(f"uploads: expected at most {most} open; close a video first")
        return folder / f"{secrets.token_hex(8)}{Path(name).suffix[:10].lower()}"

    def save_document(self, document: Document, path: str | None, overwrite: bool) -> str:
        """Write a project file into the shared folder.

        Args:
            document: What to save.
            path: Relative to the folder; None: beside the video, or where it was saved before.
            overwrite: Whether a file that is no earlier version of this document may be replaced.

        Returns:
            The path, relative to the folder.

        Raises:
            InputError: The path does not fit, or something else is there.
            FileError: It cannot be written.
        """
        chosen = path or document.saved_as or self._project_path(document)
        root = self.settings.root.resolve()
        target = root / chosen
        if target.suffix.lower() != PROJECT_SUFFIX:
            raise InputError(f"{chosen}: expected a name that ends in {PROJECT_SUFFIX}")
        parent = Path(chosen).parent.as_posix()
        target = confined(root, parent) / target.name
        relative = target.relative_to(root).as_posix()
        if target.is_symlink() or target.is_dir():
            raise InputError(f"{chosen}: expected a file, found a link or a folder")
        if target.exists() and relative != document.saved_as and not overwrite:
            raise InputError(f"{chosen}: expected a new name, this file exists")
        check_overwrites([target], [document.footage.path])
        save_project(document, target)
        document.saved_as, document.changed = relative, False
        return relative

    def _project_path(self, document: Document) -> str:
        """A name beside the video that is still free."""
        name = document.source.get("path") or document.footage.info.name
        stem = Path(name).with_suffix("").as_posix()
        candidates = [stem, *(f"{stem}-{n}" for n in range(2, 1000))]
        free = (c for c in candidates if not (self.settings.root / (c + PROJECT_SUFFIX)).exists())
        return next(free, stem) + PROJECT_SUFFIX

    async def export(
        self, document: Document, kind: str, ids: list[int] | None, look: Look
    ) -> Exported:
        """Write an export; it waits until it is downloaded, or newer ones take its room.

        Raises:
            InputError: The kind or a value does not fit, or too many exports are running.
            MissingExtraError: The format needs a package that is not installed.
            FileError: It cannot be written.
        """
        check_kind(kind)
        tracks = document.tracks(ids)
        if self._exporting >= self.settings.limits.exports:
            raise InputError("export: expected no more than the running ones; try again later")
        self._exporting += 1
        try:
            return await self._export(document, kind, tracks, look)
        finally:
            self._exporting -= 1

    async def _export(self, document: Document, kind: str, tracks: Any, look: Look) -> Exported:
        id = secrets.token_urlsafe(9)
        folder = self.temporary / f"export-{id}"
        folder.mkdir(mode=0o700)
        loop, done = asyncio.get_running_loop(), 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            loop.call_soon_threadsafe(report, done)

        def report(done: int) -> None:
            document.channel.send("export", kind=kind, done=done, total=tracks.num_frames)

        try:
            path = await asyncio.to_thread(
                write_export, kind, tracks, document.footage, folder, look, progress
            )
        except BaseException:
            remove(folder)
            raise
        self._exported[id] = Exported(id, path)
        while len(self._exported) > self.settings.limits.exported_files:
            remove(self._exported.pop(next(iter(self._exported))).path.parent)
        return self._exported[id]

    def exported(self, id: str) -> Exported:
        """A finished export.

        Raises:
            FileError: None has this id.
        """
        if id not in self._exported:
            raise FileError("expected a finished export; it was replaced by newer ones")
        return self._exported[id]
