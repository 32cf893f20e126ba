"""``motes blur``: follow a region and make it unrecognisable."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console, pair_with_frames, progress
from motes.cli._options import DEVICE, MODEL_NAME, PICTURE_OUTPUT, VIDEO
from motes.cli._resume import resumable
from motes.common.files import check_overwrites


def command(
    video: Annotated[str, VIDEO],
    mask: Annotated[
        list[Path], typer.Option(help="Image of the region: pixels that are not 0.  Repeatable.")
    ],
    output: Annotated[str, PICTURE_OUTPUT],
    at: Annotated[
        list[int] | None, typer.Option(help="Frame of each --mask; default: the first.")
    ] = None,
    effect: Annotated[str, typer.Option(help="blur, pixelate or fill.")] = "blur",
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if the region is lost in a frame.")
    ] = False,
    model: Annotated[str | None, MODEL_NAME] = None,
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Blur a region of a video.

    The cover is larger than the region, and grows where parts of the region are hidden.
    Frames in which the region is lost are reported; give a second mask there.

    Examples:
      motes blur street.mp4 --mask face.png -o private.mp4

      motes blur street.mp4 --mask a.png --at 0 --mask b.png --at 90 --effect fill --strict -o p.mp4
    """
    from motes.edit.blurring import blur, describe_lost
    from motes.edit.defaults import default_tracker
    from motes.video import open_video

    footage = open_video(video)
    masks = pair_with_frames(mask, at, footage.start, "--mask")
    check_overwrites([output], [*footage.files, *mask])
    total = footage.num_frames and (3 * len(masks) + 1) * footage.num_frames
    chosen = default_tracker(model, device)
    bar = progress(total, "blurring")
    with resumable(chosen, footage, output) as tracker, bar as advance:
        result = blur(
            footage,
            masks,
            output,
            effect=effect,
            strict=strict,
            tracker=tracker,
            progress=advance,
        )
    if result.lost:
        typer.echo(f"motes: {describe_lost(result.lost)}", err=True)
    console.print(f"wrote {output}", highlight=False, markup=False)
