"""``motes track``: follow points through a video."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console, progress
from motes.cli._outputs import check_outputs, write_outputs
from motes.errors import InputError
from motes.queries import Queries, parse_points


def command(
    video: Annotated[str, typer.Argument(help="A video file, a folder of images, a glob, a URL.")],
    model: Annotated[str, typer.Option(help="See: motes models.")] = "",
    weights: Annotated[Path | None, typer.Option(help="Checkpoint to use instead.")] = None,
    grid: Annotated[int | None, typer.Option(help="So many points a side, evenly spread.")] = None,
    points: Annotated[str | None, typer.Option(help='"x,y;x,y" or "t,x,y;t,x,y", pixels.')] = None,
    queries: Annotated[Path | None, typer.Option(help="CSV file with the header t,x,y.")] = None,
    corners: Annotated[int | None, typer.Option(help="So many of the strongest corners.")] = None,
    mask: Annotated[Path | None, typer.Option(help="Image: only points where it is not 0.")] = None,
    at: Annotated[int | None, typer.Option(help="Frame of the points; default: the first.")] = None,
    backward: Annotated[bool, typer.Option(help="Also track towards the start.")] = False,
    start: Annotated[int, typer.Option(help="First frame.")] = 0,
    end: Annotated[int | None, typer.Option(help="Frame to stop before.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", help="Where to write; the suffix says what. Repeatable."),
    ] = None,
) -> None:
    """Follow points through a video.

    Without a choice of points, a grid of 20 x 20 is followed.  Without -o, the tracks go to
    VIDEO_tracks.npz and a video with the trails to VIDEO_tracks.mp4, in this folder.

    Examples:
      motes track bike.mp4

      motes track bike.mp4 --points "120,80;33,200" --at 10 --backward -o bike.csv -o bike.mp4

      motes track bike.mp4 --corners 300 --mask rider.png -o rider.gif
    """
    stem = Path(video.rstrip("/")).stem
    outputs = output or [f"{stem}_tracks.npz", f"{stem}_tracks.mp4"]
    check_outputs(outputs)
    chosen = _points(grid, points, queries, corners, at)

    from motes.tracker import DEFAULT_MODEL, load
    from motes.video import open_video

    with ExitStack() as stack:
        source = open_video(video, start=start, end=end)
        tracker = load(model or DEFAULT_MODEL, weights=weights, device=device, dtype=dtype)
        passes = 2 if backward and tracker.model.window is not None else 1
        total = source.num_frames and source.num_frames * passes
        advance = stack.enter_context(progress(total, f"tracking with {tracker.preset.name}"))
        tracks = tracker.track(
            source, **chosen, mask=mask, at=at, backward=backward, progress=advance
        )
    if source.problem:
        typer.echo(f"motes: {source.problem}", err=True)
    console.print(tracks, highlight=False)
    write_outputs(tracks, source, outputs)


def _points(
    grid: int | None, points: str | None, queries: Path | None, corners: int | None, at: int | None
) -> dict[str, object]:
    """The one choice of points that was made, as `Tracker.track` takes it."""
    ways = {"--grid": grid, "--points": points, "--queries": queries, "--corners": corners}
    named = [name for name, value in ways.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"expected one of {', '.join(ways)}, got {' and '.join(named)}")
    if points is not None:
        return {"queries": parse_points(points, at or 0)}
    if queries is not None:
        return {"queries": Queries.read(queries)}
    if corners is not None:
        return {"keypoints": corners}
    return {"grid": 20 if grid is None else grid}
