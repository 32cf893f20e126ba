"""``motes frame``: one frame of a video as an image."""

from pathlib import Path
from typing import Annotated

import cv2
import typer

from motes.cli._common import console
from motes.cli._options import VIDEO
from motes.common.files import check_overwrites, replacing
from motes.errors import InputError


def command(
    video: Annotated[str, VIDEO],
    output: Annotated[Path, typer.Option("--output", "-o", help="The image, .png.")],
    at: Annotated[int, typer.Option(help="Number of the frame.")] = 0,
) -> None:
    """Write one frame of a video as an image, without loss.

    For drawing a mask on it, or changing it for motes paint.

    Example:
      motes frame bike.mp4 --at 12 -o frame12.png
    """
    from motes.video import open_video

    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: expected a name that ends in .png")
    footage = open_video(video)
    check_overwrites([output], footage.files)
    frames = list(footage.read(at, at + 1)) if at >= 0 else []
    if not frames:
        raise InputError(f"--at: expected a frame of {footage.name}, got {at}")
    with replacing(output) as temporary:
        temporary.write_bytes(cv2.imencode(".png", frames[0][..., ::-1])[1].tobytes())
    console.print(f"wrote {output}", highlight=False, markup=False)
