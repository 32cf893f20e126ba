"""``motes track``: follow points through a video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motes.cli._common import progress, say, warn
from motes.cli._outputs import check_outputs, write_outputs
from motes.common.files import check_overwrites, remove
from motes.errors import InputError
from motes.queries import Queries, parse_points
from motes.tracks import Tracks

if TYPE_CHECKING:
    from motes.tracking.recording import Recording
    from motes.tracking.tracker import Tracker
    from motes.video import Video

LONG = 2000
"""Videos with more frames are tracked by way of a recording, so that a killed run can go on."""


def command(
    video: Annotated[
        str | None, typer.Argument(help="A video file, a folder of images, a glob, a URL.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="See: motes models.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint to use instead.")] = None,
    grid: Annotated[int | None, typer.Option(help="So many points a side, evenly spread.")] = None,
    points: Annotated[str | None, typer.Option(help='"x,y;x,y" or "t,x,y;t,x,y", pixels.')] = None,
    queries: Annotated[Path | None, typer.Option(help="CSV file with the header t,x,y.")] = None,
    corners: Annotated[int | None, typer.Option(help="So many of the strongest corners.")] = None,
    dense: Annotated[
        int | None, typer.Option(help="Every pixel (1), every second (2), ...")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Image: only points where it is not 0.")] = None,
    at: Annotated[int | None, typer.Option(help="Frame of the points; default: the first.")] = None,
    backward: Annotated[bool, typer.Option(help="Also track towards the start.")] = False,
    start: Annotated[int, typer.Option(help="First frame.")] = 0,
    end: Annotated[int | None, typer.Option(help="Frame to stop before.")] = None,
    live: Annotated[int | None, typer.Option(help="Number of a camera; stop with Ctrl-C.")] = None,
    latency: Annotated[
        int | None, typer.Option(help="With --live: frames that an answer may take.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    memory: Annotated[
        str | None,
        typer.Option(help="What tracking may take, such as 2G; default: by what is free."),
    ] = None,
    compile: Annotated[
        bool,
        typer.Option("--compile", help="Compile the model first (torch.compile); takes a minute."),
    ] = False,
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", help="Where to write; the suffix says what. Repeatable."),
    ] = None,
) -> None:
    """Follow points through a video.

    Without a choice of points, a grid of 20 x 20 is followed.  Without -o, the tracks go to
    VIDEO_tracks.npz and a video with the trails to VIDEO_tracks.mp4, in this folder.

    A long video is tracked in flat memory; a run that is killed goes on when it is started again.
    So is a camera; what came before it failed, or before Ctrl-C, is written.

    Examples:
      motes track bike.mp4

      motes track bike.mp4 --points "120,80;33,200" --at 10 --backward -o bike.csv -o tracked.mp4

      motes track bike.mp4 --corners 300 --mask rider.png -o rider.gif

      motes track --live 0 --grid 10 -o live.csv
    """
    outputs = output or _default_outputs(video, live)
    check_outputs(outputs, pictures=live is None)
    chosen = _points(grid, points, queries, corners, dense, at)
    if (video is None) == (live is None):
        raise InputError(
            "expected a video or --live, got " + ("neither" if live is None else "both")
        )

    from motes.queries.select import select
    from motes.tracking.load import DEFAULT_MODEL, load
    from motes.video import open_video

    source = open_video(video if live is None else live, start=start, end=end)
    check_overwrites(outputs, [*source.files, *filter(None, (queries, mask, weights))])
    found = select(source, **chosen, mask=mask, at=at)
    tracker = load(
        model or DEFAULT_MODEL,
        weights=weights,
        device=device,
        dtype=dtype,
        memory=memory,
        compile=compile,
    )
    parts: Recording | list[Tracks]
    if live is not None:
        parts = _track_live(tracker, source, found, latency, outputs)
    elif (source.num_frames or 0) > LONG and not backward:
        parts = _track_long(tracker, source, found, outputs)
    else:
        parts = _track(tracker, source, found, backward)
    if source.problem:
        warn(source.problem)
    _deliver(parts, source, outputs, live is not None)


def _track(tracker: Tracker, video: Video, queries: Queries, backward: bool) -> list[Tracks]:
    passes = 2 if backward and tracker.model.window is not None else 1
    total = video.num_frames and video.num_frames * passes
    with progress(total, f"tracking with {tracker.preset.name}") as advance:
        return [tracker.track(video, queries, backward=backward, progress=advance)]


def _track_long(
    tracker: Tracker, video: Video, queries: Queries, outputs: Sequence[str]
) -> Recording:
    from motes.tracking.recording import record

    with progress(video.num_frames, f"tracking with {tracker.preset.name}") as advance:
        return record(tracker, video, queries, _part_folder(outputs), progress=advance)


def _track_live(
    tracker: Tracker,
    video: Video,
    queries: Queries,
    latency: int | None,
    outputs: Sequence[str],
) -> Recording:
    """Until the camera ends or fails, or Ctrl-C is pressed; what has come is kept."""
    from motes.tracking.recording import record_live

    folder = _part_folder(outputs)
    with progress(None, f"tracking live with {tracker.preset.name}") as advance:
        return record_live(
            tracker, video, queries, folder, latency=latency, progress=advance, tell=warn
        )


def _deliver(
    parts: Recording | list[Tracks], video: Video, outputs: Sequence[str], live: bool
) -> None:
    """Write what was found, and describe it; a recording stays until all of it is written."""
    try:
        write_outputs(parts, video, outputs)
    except BaseException:
        if live:  # a file can be tracked again
            folder = _part_folder(outputs)
            warn(f"the tracks are kept; to write them to a file: motes export {folder} -o FILE")
        raise
    say(_summary(parts))
    if not isinstance(parts, list):
        remove(parts.folder)


def _summary(parts: Iterable[Tracks]) -> str:
    """One line about consecutive stretches of frames."""
    rows = [(p.start, p.frames.stop, len(p), p.visible.sum(), p.visible.size) for p in parts]
    starts, stops, points, seen, cells = zip(*rows, strict=True)
    share = sum(seen) / max(sum(cells), 1)
    return f"{points[0]} points, frames {starts[0]}..{stops[-1] - 1}, {share:.0%} visible"


def _part_folder(outputs: Sequence[str]) -> Path:
    """Where a long run keeps what it has finished, until the outputs are written."""
    first = Path(outputs[0].rstrip("/"))
    return first.with_name(f"{first.name}.part")


def _default_outputs(video: str | None, live: int | None) -> list[str]:
    if video is None:
        return [f"camera{live}_tracks.npz"]
    stem = Path(video.rstrip("/")).stem
    return [f"{stem}_tracks.npz", f"{stem}_tracks.mp4"]


def _points(
    grid: int | None,
    points: str | None,
    queries: Path | None,
    corners: int | None,
    dense: int | None,
    at: int | None,
) -> dict[str, Any]:
    """The one choice of points that was made, as `motes.queries.select` takes it."""
    ways = {"--grid": grid, "--points": points, "--queries": queries}
    ways |= {"--corners": corners, "--dense": dense}
    named = [name for name, value in ways.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"expected one of {', '.join(ways)}, got {' and '.join(named)}")
    if points is not None:
        return {"queries": parse_points(points, at or 0)}
    if queries is not None:
        return {"queries": Queries.read(queries)}
    if corners is not None:
        return {"keypoints": corners}
    if dense is not None:
        return {"dense": dense}
    return {"grid": 20 if grid is None else grid}
