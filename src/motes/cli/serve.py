"""``motes serve``: click points in a browser, see them tracked, correct and export."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console
from motes.cli._options import MEMORY, MODEL_NAME
from motes.errors import MissingExtraError

PACKAGES = ("fastapi", "uvicorn", "websockets")


def command(
    video: Annotated[
        Path | None, typer.Argument(help="A video file or a folder of images to open.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other addresses than 127.0.0.1 need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 0,
    model: Annotated[str | None, MODEL_NAME] = None,
    memory: Annotated[str | None, MEMORY] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Open a web page to click points, track and correct them, and export the tracks.

    The page can open the videos of this folder (or of the folder of VIDEO).  Only programs on this
    machine reach it; with another --host, the printed address holds a secret token.

    Examples:
      motes serve

      motes serve bike.mp4 --model flow

      motes serve --host 0.0.0.0 --port 8080 --no-browser
    """
    if not all(map(find_spec, PACKAGES)):
        raise MissingExtraError("motes serve", "web")

    from motes.web.server import serve, split_video
    from motes.web.settings import Settings

    root, path = split_video(video)

    def ready(address: str) -> None:
        console.print(f"motes is at {address}   (Ctrl-C ends it)", highlight=False, soft_wrap=True)
        if browser:
            webbrowser.open(address)

    serve(Settings(root, model, memory, host, port), path, ready)
