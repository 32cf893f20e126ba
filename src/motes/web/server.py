"""Run the server until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import uvicorn

from motes.errors import InputError
from motes.web.app import create_app
from motes.web.settings import Settings, is_loopback
from motes.web.studio import Studio

MAX_CONNECTIONS = 400
GRACE_SECONDS = 3


def serve(settings: Settings, video: str | None, ready: Callable[[str], object]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        settings: Folder, model, host and port.  A host that is no loopback address gets a token.
        video: Path of a video to show at once, relative to the folder; None: the start page.
        ready: Called with the address when clients can connect.

    Raises:
        InputError: The model is unknown, or the host and port cannot be listened on.
    """
    with Server(settings, video, ready) as server:
        server.run()


class Server:
    """A server with its socket; `run` serves until Ctrl-C or `stop`."""

    def __init__(
        self, settings: Settings, video: str | None, ready: Callable[[str], object]
    ) -> None:
        """Take the arguments of `serve`, and the port."""
        if not is_loopback(settings.host):
            settings = replace(settings, token=settings.token or secrets.token_urlsafe(24))
        self.studio = Studio(settings)
        self._socket = _listen(settings.host, settings.port)
        port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            create_app(settings, lambda: port, self.studio),
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws_max_size=2**16,
            lifespan="on",
        )
        self._uvicorn = _Uvicorn(config, lambda: ready(address(settings, port, video)))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def run(self) -> None:
        """Serve."""
        self._uvicorn.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` return; callable from any thread."""
        self._uvicorn.should_exit = True


def address(settings: Settings, port: int, video: str | None) -> str:
    """What to type into a browser."""
    host = settings.host
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    name = f"[{host}]" if ":" in host else host
    token = f"?token={settings.token}" if settings.token else ""
    return f"http://{name}:{port}/{token}" + (f"#open={_quoted(video)}" if video else "")


def _quoted(video: str) -> str:
    from urllib.parse import quote

    return quote(video, safe="")


def split_video(video: Path | None) -> tuple[Path, str | None]:
    """The folder to serve, and the path of the video in it.

    Raises:
        InputError: There is no such video.
    """
    here = Path.cwd()
    if video is None:
        return here, None
    path = video.expanduser().resolve()
    if not path.exists():
        raise InputError(f"{video}: expected a video, found no such file or folder")
    if path.is_relative_to(here.resolve()):
        return here, path.relative_to(here.resolve()).as_posix()
    return path.parent, path.name


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen on {host} port {port}: {reason}") from None


class _Uvicorn(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
