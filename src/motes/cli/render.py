"""``motes render``: a video with its tracks drawn over it."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import print_line, progress
from motes.cli._exchange import load_for
from motes.cli._options import BACKGROUND, COLOR, HIDDEN, OPACITY, WIDTH
from motes.common.files import check_overwrites


def command(
    video: Annotated[str, typer.Argument(help="The video that was tracked.")],
    tracks: Annotated[Path, typer.Argument(help="Its tracks, such as bike.npz or bike.csv.")],
    output: Annotated[
        list[str],
        typer.Option(
            "--output", "-o", help="File to write, by suffix: $video_suffixes.  Repeatable."
        ),
    ],
    look: Annotated[
        str,
        typer.Option(help="One of $looks."),
    ] = "trails",
    color: Annotated[str, COLOR] = "position",
    tail: Annotated[int, typer.Option(help="Length of the tails in frames.")] = 20,
    width: Annotated[float | None, WIDTH] = None,
    opacity: Annotated[float, OPACITY] = 1.0,
    background: Annotated[str, BACKGROUND] = "normal",
    hidden: Annotated[bool, HIDDEN] = True,
    scale: Annotated[
        float,
        typer.Option(
            help="Size of the output relative to the video; 2 gives small videos finer trails."
        ),
    ] = 1.0,
) -> None:
    """Draw tracks over their video.

    The output has the frames that the tracks cover.
    Trails fade towards the past; a hidden point is a ring.

    Examples:
      motes render bike.mp4 bike.npz -o bike_tracks.mp4

      motes render bike.mp4 bike.csv -o bike.gif --color speed --background mono

      motes render bike.mp4 bike.npz -o stills/ --look labels --scale 2
    """
    from motes.rendering.style import Style
    from motes.rendering.video import render
    from motes.video import check_output, open_video

    for path in output:
        check_output(path)
    style = Style(look, color, tail, width, opacity, background, hidden, scale)
    footage = open_video(video)
    content = load_for(footage, tracks)
    check_overwrites(output, [tracks, *footage.files])
    for path in output:
        with progress(content.num_frames, f"drawing {path}") as advance:
            render(footage, content, path, style=style, progress=advance)
        print_line(f"wrote {path}")
