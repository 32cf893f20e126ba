"""``motes attach``: a picture, a clip or a text that sticks to a surface."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console, progress
from motes.cli._options import DEVICE, MODEL_NAME, PICTURE_OUTPUT, VIDEO
from motes.cli._resume import resumable
from motes.common.files import check_overwrites
from motes.errors import InputError


def command(
    video: Annotated[str, VIDEO],
    to: Annotated[
        str,
        typer.Option(
            help='"x,y" (centre), "x,y;x,y" (left and right), three corners, four corners '
            "(clockwise from the top left), more points, or a mask image."
        ),
    ],
    output: Annotated[str, PICTURE_OUTPUT],
    content: Annotated[
        str | None, typer.Argument(help="A picture (alpha is kept) or a clip (it is repeated).")
    ] = None,
    text: Annotated[str | None, typer.Option(help="A line of text, instead of a file.")] = None,
    color: Annotated[str, typer.Option(help="Colour of the text.")] = "#ffffff",
    at: Annotated[int | None, typer.Option(help="Frame of --to; default: the first.")] = None,
    width: Annotated[float | None, typer.Option(help="Width of the content in pixels.")] = None,
    motion: Annotated[
        str | None,
        typer.Option(
            help="translation, similarity, affine, homography or mesh (bends); default: by --to."
        ),
    ] = None,
    opacity: Annotated[float, typer.Option(help="Opacity of the content, up to 1.")] = 1.0,
    blend: Annotated[str, typer.Option(help="normal, multiply, screen or add.")] = "normal",
    shutter: Annotated[float, typer.Option(help="Motion blur: exposure in frames, 0 to 1.")] = 0.0,
    shading: Annotated[
        bool, typer.Option("--shading", help="Apply the light and shadow of the surface.")
    ] = False,
    model: Annotated[str | None, MODEL_NAME] = None,
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Attach a picture, a clip or a text to a surface.

    It moves with the surface, and is hidden where the surface is hidden.

    Examples:
      motes attach wall.mp4 logo.png --to "80,40;200,50;198,140;78,130" -o out.mp4

      motes attach shirt.mp4 --text "motes" --to shirt.png --at 12 --shading -o out.mp4
    """
    from motes.edit import content as contents
    from motes.edit.attachment import Look, attach
    from motes.edit.defaults import default_tracker
    from motes.queries import parse_points
    from motes.video import open_video

    if (content is None) == (text is None):
        got = "neither" if text is None else "both"
        raise InputError(f"expected a file to attach or --text, got {got}")
    look = Look(opacity, blend, shutter, shading)
    what = contents.open_content(content) if text is None else contents.text(text, color)
    footage = open_video(video)
    is_mask = Path(to).suffix.lower() in contents.PICTURES
    check_overwrites([output], [*footage.files, *what.files, *([to] if is_mask else [])])
    frame = footage.start if at is None else at
    total = footage.num_frames and 4 * footage.num_frames
    chosen = default_tracker(model, device)
    bar = progress(total, "attaching")
    with resumable(chosen, footage, output) as tracker, bar as advance:
        attach(
            footage,
            what,
            output,
            to=to if is_mask else parse_points(to, frame),
            at=frame,
            width=width,
            kind=motion,
            tracker=tracker,
            look=look,
            progress=advance,
        )
    console.print(f"wrote {output}", highlight=False, markup=False)
