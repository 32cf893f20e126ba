"""What every request passes first: who may ask, how much, and what browsers are told.

Other web pages cannot use the server: a browser names the page a request comes from (``Origin``,
``Sec-Fetch-Site``) and the host it believes to talk to (``Host``; another one after DNS rebinding).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from motes.web.log import print_line
from motes.web.settings import Settings, is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UPLOAD_PATH = "/api/uploads"
REASON = "motes.reason"
"""Key of a scope under which a handler leaves why it refuses."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Refusal:
    """Why a request is not served."""

    status: int
    reason: str


class Guard:
    """Middleware that refuses what must not be served, in one line, and bounds the rest."""

    def __init__(self, app: App, settings: Settings, port: Callable[[], int]) -> None:
        """Wrap an application.

        Args:
            app: What serves the requests that pass.
            settings: Host, token and limits.
            port: Tells the port that the server listens on.
        """
        self._app, self._settings, self._port = app, settings, port
        self._sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and (entry := self._entry(scope)) is not None:
            await entry(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await self._refuse(refusal, scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what was not refused; a fault ends this request only."""
        try:
            if scope["type"] == "websocket":
                await self._serve_socket(scope, receive, send)
            else:
                await self._app(scope, self._bounded(scope, receive), _with_headers(scope, send))
        except Exception:  # the client has got its one line
            traceback.print_exc()

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._sockets += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._sockets -= 1

    def _entry(self, scope: Scope) -> Response | None:
        """The answer to ``/?token=...``: a cookie, and the address without the secret."""
        token = self._settings.token
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if token is None or scope["path"] != "/" or not _same(given, token):
            return None
        if self._wrong_host(scope):
            return None
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, token, httponly=True, samesite="strict")
        return answer

    @property
    def _cookie(self) -> str:
        return f"motes_{self._port()}"

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = _headers(scope)
        if wrong := self._wrong_host(scope):
            return Refusal(421, wrong)
        if foreign := _foreign(scope, headers):
            return Refusal(403, foreign)
        if not self._has_token(headers):
            return Refusal(401, "expected the address with the token that motes serve printed")
        if scope["type"] == "websocket" and self._sockets >= self._settings.limits.sockets:
            return Refusal(503, f"expected at most {self._settings.limits.sockets} connections")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._body_limit(scope):
            limit = self._body_limit(scope)
            return Refusal(413, f"expected a body of at most {limit} bytes, got {length}")
        return None

    def _wrong_host(self, scope: Scope) -> str | None:
        host = _headers(scope).get("host", "")
        name, port = _split_host(host)
        if port != self._port() or not self._is_ours(name):
            return f"expected the host that motes serve printed, got {host!r}"
        return None

    def _is_ours(self, name: str) -> bool:
        """Whether a browser that uses this name was not led here by a foreign DNS entry."""
        if is_loopback(self._settings.host):
            return is_loopback(name)
        try:
            ip_address(name)
            return True  # an address, not a name
        except ValueError:
            known = {"localhost", self._settings.host, socket.gethostname(), socket.getfqdn()}
            return name.lower() in {k.lower() for k in known}

    def _has_token(self, headers: dict[str, str]) -> bool:
        token = self._settings.token
        if token is None:
            return True
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        return _same(bearer, token) or _same(_cookie(headers, self._cookie), token)

    def _body_limit(self, scope: Scope) -> int:
        limits = self._settings.limits
        is_upload = scope["path"].startswith(UPLOAD_PATH)
        return limits.upload_bytes if is_upload else limits.body_bytes

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Receive a body of bounded size from a client that does not stop sending it."""
        limit, seconds, size, complete = (
            self._body_limit(scope),
            self._settings.limits.body_seconds,
            0,
            False,
        )

        async def bounded() -> Message:
            nonlocal size, complete
            if complete:  # only the end of the connection is left to wait for
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), seconds)
            except TimeoutError:
                raise HTTPException(408, f"expected a body within {seconds:g} s") from None
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > limit:
                raise HTTPException(413, f"expected a body of at most {limit} bytes")
            return message

        return bounded

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        scope[REASON] = refusal.reason
        if scope["type"] == "websocket":
            _log(scope, refusal.status)
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason[:100]})
            return
        answer = JSONResponse({"error": refusal.reason}, refusal.status, {"connection": "close"})
        await answer(scope, receive, _with_headers(scope, send))


def _with_headers(scope: Scope, send: Send) -> Send:
    """Add the security headers to the answer, and log it if it is a refusal."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", [])}
            extra = dict(HEADERS) | {"cache-control": "no-store"}
            message["headers"] = [
                *message.get("headers", []),
                *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in given),
            ]
            if message["status"] >= 400:
                _log(scope, message["status"])
        await send(message)

    return wrapped


def _log(scope: Scope, status: int) -> None:
    what = scope.get("method", "WebSocket")
    client = (scope.get("client") or ("?",))[0]
    print_line(
        f"refused ({status}) {what} {scope['path'][:120]} from {client}: {scope.get(REASON, '')}"
    )


def _foreign(scope: Scope, headers: dict[str, str]) -> str | None:
    """Why a request comes from another web page; None, if it does not."""
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        return f"expected requests of this page, got one of {origin!r}"
    site = headers.get("sec-fetch-site", "none")
    is_visit = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
    if site not in ("same-origin", "none") and not is_visit:
        return f"expected requests of this page, got a {site} one"
    return None


def _headers(scope: Scope) -> dict[str, str]:
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}


def _split_host(host: str) -> tuple[str, int]:
    """Name and port of a ``Host`` header; port 80, if it names none, and -1, if it is no number."""
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:
        name, port = host, "80"
    return name.strip("[]"), int(port) if port.isdecimal() else -1


def _cookie(headers: dict[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _same(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode(), secret.encode())
