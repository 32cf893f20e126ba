"""``motes stabilise``: take the shaking of the camera out of a video."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console, progress
from motes.cli._options import DEVICE, MODEL_NAME, PICTURE_OUTPUT, VIDEO
from motes.cli._resume import resumable
from motes.common.files import check_overwrites


def command(
    video: Annotated[str, VIDEO],
    output: Annotated[str, PICTURE_OUTPUT],
    smoothness: Annotated[
        float, typer.Option(help="Motions that take longer than about this many seconds stay.")
    ] = 0.5,
    lock: Annotated[
        int | None, typer.Option(help="Instead, fix the background as in this frame.")
    ] = None,
    follow: Annotated[
        Path | None,
        typer.Option(help="Instead, fix the object in this mask of frame --lock."),
    ] = None,
    motion: Annotated[
        str, typer.Option(help="translation, similarity, affine or homography.")
    ] = "similarity",
    borders: Annotated[
        str, typer.Option(help="crop (zoom in), fill (from earlier frames) or black.")
    ] = "crop",
    report: Annotated[
        Path | None, typer.Option(help="Picture of the path before and after, .png or .jpg.")
    ] = None,
    model: Annotated[str, MODEL_NAME] = "lk",
    device: Annotated[str | None, DEVICE] = None,
) -> None:
    """Stabilise a video.

    The motion of the background is measured with tracks, smoothed, and removed.  Moving objects do
    not disturb this while they have less than half of the points.

    Examples:
      motes stabilise shaky.mp4 -o steady.mp4

      motes stabilise shaky.mp4 -o fixed.mp4 --lock 0 --borders fill --report path.png

      motes stabilise runner.mp4 -o held.mp4 --follow runner.png --borders black
    """
    from motes.edit.defaults import default_tracker
    from motes.edit.report import check_report, draw_report
    from motes.edit.stabilisation import stabilise
    from motes.video import open_video

    footage = open_video(video)
    if report is not None:
        check_report(report)
    outputs = [Path(output), *([report] if report else [])]
    check_overwrites(outputs, [*footage.files, *([follow] if follow else [])])
    total = footage.num_frames and 2 * footage.num_frames
    chosen = default_tracker(model, device)
    bar = progress(total, "stabilising")
    with resumable(chosen, footage, output) as tracker, bar as advance:
        result = stabilise(
            footage,
            output,
            tracker=tracker,
            kind=motion,
            smoothness=smoothness,
            lock=lock,
            follow=follow,
            borders=borders,
            progress=advance,
        )
    if report is not None:
        draw_report(result, report)
    before, after = result.jitter()
    lost = f", {(~result.known).sum()} frames interpolated" if not result.known.all() else ""
    console.print(f"jitter {before:.2f} -> {after:.2f} pixels{lost}", highlight=False)
    for path in (output, *outputs[1:]):
        console.print(f"wrote {path}", highlight=False, markup=False)
