"""What `motes serve` is started with, and the bounds of what clients may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """Upper bounds.

    Attributes:
        upload_bytes: Size of one upload.
        uploads: Uploads kept at a time.
        body_bytes: Size of any other request.
        body_seconds: Longest wait for the next piece of a request.
        sockets: Open WebSockets.
        documents: Open videos.
        points: Points of one video.
        pixels: Pixels of one frame.
        cache_bytes: Encoded frames kept in memory, for all videos together.
        exports: Exports that run at a time.
        exported_files: Finished exports kept until they are downloaded.
        history: Steps that can be undone.
        waiting_bytes: Messages that may wait for one client before it is dropped.
    """

    upload_bytes: int = 4096 * MEGABYTE
    uploads: int = 8
    body_bytes: int = 8 * MEGABYTE
    body_seconds: float = 30.0
    sockets: int = 24
    documents: int = 8
    points: int = 5000
    pixels: int = 8192 * 8192
    cache_bytes: int = 96 * MEGABYTE
    exports: int = 2
    exported_files: int = 16
    history: int = 100
    waiting_bytes: int = 64 * MEGABYTE


@dataclass(frozen=True)
class Settings:
    """How a server is started.

    Attributes:
        root: Folder whose videos can be opened; nothing outside it is read or written.
        model: Name of the model; None: the default of `motes.load`.
        memory: What tracking may take, such as ``"2G"``; None: by what is free.
        host: Address to listen on.
        port: Port to listen on; 0: any free one.
        token: Secret that clients need; None on a loopback address.
        limits: Upper bounds.
    """

    root: Path
    model: str | None = None
    memory: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    limits: Limits = field(default_factory=Limits)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach this address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
