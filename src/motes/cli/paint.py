"""``motes paint``: carry the change of one frame through a video."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console, pair_with_frames, progress
from motes.cli._options import DEVICE, MODEL_NAME, PICTURE_OUTPUT, VIDEO
from motes.cli._resume import resumable
from motes.common.files import check_overwrites


def command(
    video: Annotated[str, VIDEO],
    edit: Annotated[
        list[Path],
        typer.Option(help="A frame, changed in any program, as PNG. Repeatable."),
    ],
    output: Annotated[str, PICTURE_OUTPUT],
    at: Annotated[
        list[int] | None, typer.Option(help="Number of each edited frame; default: the first.")
    ] = None,
    relight: Annotated[
        bool, typer.Option(help="Adapt the change to light and shadow of its surface.")
    ] = True,
    model: Annotated[str | None, MODEL_NAME] = None,
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Carry the change of a frame through the whole video.

    Write a frame with: motes frame VIDEO --at 12 -o frame.png, change it in any program, and give
    it here.  The change moves with the surface below, and is hidden where that is hidden.

    Examples:
      motes paint bike.mp4 --edit frame12.png --at 12 -o red.mp4

      motes paint bike.mp4 --edit a.png --at 0 --edit b.png --at 60 -o red.mp4
    """
    from motes.edit.defaults import default_tracker
    from motes.edit.painting import paint
    from motes.video import open_video

    footage = open_video(video)
    edits = pair_with_frames(edit, at, footage.start, "--edit")
    check_overwrites([output], [*footage.files, *edit])
    total = footage.num_frames and (3 * len(edits) + 1) * footage.num_frames
    chosen = default_tracker(model, device)
    bar = progress(total, "painting")
    with resumable(chosen, footage, output) as tracker, bar as advance:
        paint(
            footage,
            edits,
            output,
            relight=relight,
            tracker=tracker,
            progress=advance,
        )
    console.print(f"wrote {output}", highlight=False, markup=False)
