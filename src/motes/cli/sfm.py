"""``motes sfm``: the camera's path and a sparse cloud from a video."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console, progress
from motes.cli._options import DEVICE, MODEL_NAME, VIDEO
from motes.cli._resume import resumable


def command(
    video: Annotated[str, VIDEO],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    frames: Annotated[
        int, typer.Option(help="Frames that are solved together; the others get poses afterwards.")
    ] = 60,
    model: Annotated[str | None, MODEL_NAME] = None,
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Reconstruct the camera and a sparse cloud of points (structure from motion).

    The folder receives COLMAP's text files and database, points.ply, the camera for Nuke
    (camera.chan) and for Blender (camera.py), a report and a picture of the cloud.
    The scene must be at rest, and the camera must move sideways, not only turn.

    Example:
      motes sfm orbit.mp4 -o orbit
    """
    from motes.edit.defaults import default_tracker
    from motes.sfm.pipeline import reconstruct
    from motes.video import open_video

    footage = open_video(video)
    chosen = default_tracker(model, device)
    bar = progress(footage.num_frames and 2 * footage.num_frames, "reconstructing")
    with resumable(chosen, footage, output) as tracker, bar as advance:
        result = reconstruct(
            footage,
            output,
            tracker=tracker,
            max_frames=frames,
            progress=advance,
        )
    console.print(result.summary(), highlight=False)
    console.print(f"wrote {output}", highlight=False, markup=False)
