"""The application: addresses, static page, guard and errors that become one line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from motes.errors import FileError, MotesError
from motes.web import api, live_api
from motes.web.guard import REASON, Guard
from motes.web.settings import Settings
from motes.web.studio import Studio

STATIC = Path(str(files("motes.web") / "static"))


def create_app(settings: Settings, port: Callable[[], int], studio: Studio) -> Guard:
    """Build the server's application.

    Args:
        settings: How it is started.
        port: Tells the port that it listens on.
        studio: Its state; started and closed with the server.

    Returns:
        An ASGI application.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        studio.start()
        try:
            yield
        finally:
            studio.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.studio = studio
    app.include_router(api.router)
    app.include_router(live_api.router)
    app.add_api_route("/", _page, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), "static")
    app.add_exception_handler(MotesError, _expected)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unexpected)
    return Guard(app, settings, port)


async def _page() -> FileResponse:
    return FileResponse(STATIC / "index.html", media_type="text/html")


def _problem(request: Request, status: int, message: str) -> JSONResponse:
    line = " ".join(message.split())
    request.scope[REASON] = line
    return JSONResponse({"error": line}, status)


async def _expected(request: Request, error: Exception) -> JSONResponse:
    return _problem(request, 404 if isinstance(error, FileError) else 400, str(error))


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    first = problems[0] if problems else {"loc": (), "msg": "expected another request"}
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return _problem(request, 422, f"{where}: {first['msg']}")


async def _refused(request: Request, error: Exception) -> JSONResponse:
    status = getattr(error, "status_code", 400)
    return _problem(request, status, str(getattr(error, "detail", "refused")))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return _problem(request, 500, "the server could not do this; its terminal says why")
