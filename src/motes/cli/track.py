"""``motes track``: follow points through a video."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motes.cli._common import (
    JSON_HELP,
    describe,
    messages_on_stderr,
    print_json,
    print_line,
    progress,
    warn,
    warn_about,
)
from motes.cli._exchange import FIRST_HELP, HIDDEN_HELP, PIN_HELP, parse_options
from motes.cli._names import free_path, video_names
from motes.cli._options import (
    AT,
    BACKWARD,
    CORNERS,
    DENSE,
    DEVICE,
    DTYPE,
    END,
    FRAMES,
    GRID,
    MASK,
    MEMORY,
    MODEL,
    MODEL_NAME,
    OUTPUT,
    POINT_LIST,
    QUERIES,
    RUNTIME,
    START,
    WEIGHTS,
)
from motes.cli._outputs import check_counts, check_outputs, check_space, write_outputs
from motes.cli._resume import part_folder
from motes.cli._summary import Summary, entry
from motes.common.files import check_overwrites
from motes.common.temporary import remove
from motes.errors import FileError, InputError
from motes.export import Options
from motes.queries import Queries
from motes.tracks import Tracks
from motes.video.sources.names import is_pipe

if TYPE_CHECKING:
    from motes.tracking.recording import Recording
    from motes.tracking.tracker import Tracker
    from motes.video import Video

NAME = "{name}"
"""Stands for the name of the video in an output."""

LIVE = "Camera"


def command(
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO", help="Video files, folders of images, globs, URLs; several allowed."
        ),
    ] = None,
    grid: Annotated[int | None, GRID] = None,
    points: Annotated[str | None, POINT_LIST] = None,
    queries: Annotated[Path | None, QUERIES] = None,
    corners: Annotated[int | None, CORNERS] = None,
    dense: Annotated[int | None, DENSE] = None,
    mask: Annotated[Path | None, MASK] = None,
    at: Annotated[int | None, AT] = None,
    start: Annotated[int, START] = 0,
    end: Annotated[int | None, END] = None,
    backward: Annotated[bool, BACKWARD] = False,
    deinterlace: Annotated[
        bool,
        typer.Option(
            "--deinterlace", help="Use only one field of interlaced frames.", rich_help_panel=FRAMES
        ),
    ] = False,
    model: Annotated[str | None, MODEL_NAME] = None,
    weights: Annotated[Path | None, WEIGHTS] = None,
    device: Annotated[str | None, DEVICE] = None,
    dtype: Annotated[str, DTYPE] = "auto",
    memory: Annotated[str | None, MEMORY] = None,
    compile: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the model first (torch.compile); takes a minute.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    runtime: Annotated[str, RUNTIME] = "torch",
    live: Annotated[
        int | None,
        typer.Option(
            help="Number of a camera, instead of a video; Ctrl-C stops.",
            min=0,
            max=9999,
            rich_help_panel=LIVE,
        ),
    ] = None,
    latency: Annotated[
        int | None,
        typer.Option(
            help="Largest delay of the tracks, in frames; 1: none.  (default: that of the model)",
            min=1,
            rich_help_panel=LIVE,
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, by suffix: $track_suffixes, $video_suffixes.  Repeatable.  "
            "{name} stands for the name of the video.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    first_frame: Annotated[
        int | None, typer.Option(help=FIRST_HELP, rich_help_panel=OUTPUT)
    ] = None,
    hidden: Annotated[str | None, typer.Option(help=HIDDEN_HELP, rich_help_panel=OUTPUT)] = None,
    pin: Annotated[str | None, typer.Option(help=PIN_HELP, rich_help_panel=OUTPUT)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help=JSON_HELP, rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Follow points through videos.

    Without a choice of points, a grid of 20 x 20 points is tracked.  Without -o, the tracks are
    written to NAME_tracks.npz, and a video with them to NAME_tracks.mp4, in this folder.

    A long video needs no more memory than a short one, and an interrupted run continues when the
    command is run again.  A camera is recorded the same way; all frames so far are kept.

    With --json, stdout holds a list with an entry per video (docs/howto/scripts.md).

    Examples:
      motes track bike.mp4

      motes track bike.mp4 --points "120,80;33,200" --at 10 --backward -o bike.csv -o tracked.mp4

      motes track bike.mp4 --corners 300 --mask rider.png -o rider.gif

      motes track monday/*.mp4 -o "tracked/{name}.csv"

      motes track --live 0 --grid 10 -o live.csv
    """
    jobs = _jobs(videos or [], live, output or [])
    choice = _points(grid, points, queries, corners, dense, at) | {"mask": mask, "at": at}
    frames = {"start": start, "end": end, "deinterlace": deinterlace}
    if latency is not None and live is None:
        raise InputError("--latency: expected it together with --live")
    options = parse_options(first_frame, hidden, pin, mask is not None, output or [])
    _check_all_outputs(jobs, options, [p for p in (queries, mask, weights) if p])

    from motes.tracking.load import DEFAULT_MODEL, check_names, load

    check_names(model or DEFAULT_MODEL, dtype, runtime)

    @cache
    def tracker() -> Tracker:
        return load(
            model or DEFAULT_MODEL,
            weights=weights,
            device=device,
            dtype=dtype,
            memory=memory,
            compile=compile,
            runtime=runtime,
        )

    def track(job: Job) -> Summary:
        return _run(job, frames, choice, tracker, backward, latency, options)

    entries: list[dict[str, Any]] = []
    try:
        with messages_on_stderr(as_json):
            _track_all(jobs, track, model or DEFAULT_MODEL, entries)
    finally:
        if as_json:
            print_json(entries)
    failed = sum(found["error"] is not None for found in entries)
    if failed:
        raise FileError(f"{failed} of {len(jobs)} videos could not be tracked")


@dataclass(frozen=True)
class Job:
    """One video, or the number of a camera, and its outputs."""

    video: str | int
    outputs: Sequence[str]

    @property
    def live(self) -> bool:
        """Whether it is a camera."""
        return isinstance(self.video, int)

    @property
    def name(self) -> str:
        """For messages."""
        return f"camera {self.video}" if self.live else str(self.video)

    @property
    def part_folder(self) -> Path:
        """Folder of the recording of a long run, until the outputs are written."""
        return part_folder(self.outputs[0])


def _jobs(videos: Sequence[str], live: int | None, outputs: Sequence[str]) -> list[Job]:
    if bool(videos) == (live is not None):
        raise InputError(f"expected a video or --live, got {'both' if videos else 'neither'}")
    if live is not None:
        names = [output.replace(NAME, f"camera{live}") for output in outputs]
        return [Job(live, names or [free_path(f"camera{live}_tracks.npz")])]
    if len(videos) > 1 and not all(NAME in output for output in outputs):
        raise InputError(
            f'-o: expected {NAME} in it, as there are {len(videos)} videos: -o "{NAME}.csv"'
        )
    return [
        Job(video, [output.replace(NAME, name) for output in outputs or _default_outputs(video)])
        for video, name in zip(videos, video_names(videos), strict=True)
    ]


def _default_outputs(video: str) -> list[str]:
    """Tracks, and a picture unless the frames pass only once."""
    tracks, picture = f"{NAME}_tracks.npz", f"{NAME}_tracks.mp4"
    return [tracks] if is_pipe(video) else [tracks, picture]


def _check_all_outputs(jobs: Sequence[Job], options: Options, inputs: Sequence[Path]) -> None:
    """Raise, before any work, what is known to go wrong at its end."""
    videos = [job.video for job in jobs if isinstance(job.video, str)]
    check_overwrites([output for job in jobs for output in job.outputs], [*videos, *inputs])
    for job in jobs:
        check_outputs(job.outputs, pictures=not job.live, options=options)
        if job.live:
            _check_new(job.outputs)


def _check_new(outputs: Sequence[str]) -> None:
    """A camera cannot be filmed again, so nothing that it gave is written over."""
    for output in outputs:
        if Path(output).expanduser().exists():
            raise FileError(
                f"{output}: expected a new file for a camera, found one; it would be lost"
            )


def _track_all(
    jobs: Sequence[Job],
    track: Callable[[Job], Summary],
    model: str,
    entries: list[dict[str, Any]],
) -> None:
    """Track through videos and add their entries; one of several that fails costs nothing else."""
    for job in jobs:
        outcome: Summary | Exception
        start = time.perf_counter()
        try:
            outcome = track(job)
        except Exception as error:
            outcome = error
        seconds = time.perf_counter() - start
        entries.append(entry(job.name, model, job.outputs, seconds, outcome))
        if isinstance(outcome, Exception):
            if len(jobs) == 1:
                raise outcome
            warn_about(job.name, describe(outcome))


def _run(
    job: Job,
    frames: dict[str, Any],
    choice: dict[str, Any],
    get_tracker: Callable[[], Tracker],
    backward: bool,
    latency: int | None,
    options: Options,
) -> Summary:
    """Track through one video, and write its outputs."""
    from motes.queries.select import select
    from motes.tracking.recording import is_long
    from motes.video import open_video

    video = open_video(job.video, **frames)
    check_overwrites(job.outputs, video.files)
    if video.once:
        check_outputs(job.outputs, pictures=False)
    queries = select(video, **choice)
    check_counts(job.outputs, len(queries), options)
    check_space(job.outputs, len(queries) * (video.num_frames or 0))
    tracker = get_tracker()
    if job.live:
        with _recording_folder(job) as folder:
            recording = _track_live(tracker, video, queries, latency, folder)
            return _deliver(recording, video, job, options)
    if is_long(video) and not backward:
        with _recording_folder(job) as folder:
            recording = _track_long(tracker, video, queries, folder)
            return _deliver(recording, video, job, options)
    return _deliver(_track(tracker, video, queries, backward), video, job, options)


def _recording_folder(job: Job) -> AbstractContextManager[Path]:
    from motes.tracking.recording import recording_folder

    return recording_folder(job.part_folder)


def _track(tracker: Tracker, video: Video, queries: Queries, backward: bool) -> list[Tracks]:
    passes = 2 if backward and tracker.model.schedule.window is not None else 1
    total = video.num_frames and video.num_frames * passes
    with progress(total, f"tracking with {tracker.preset.name}") as advance:
        return [tracker.track(video, queries, backward=backward, progress=advance)]


def _track_long(tracker: Tracker, video: Video, queries: Queries, folder: Path) -> Recording:
    from motes.tracking.recording import record

    with progress(video.num_frames, f"tracking with {tracker.preset.name}") as advance:
        return record(tracker, video, queries, folder, progress=advance)


def _track_live(
    tracker: Tracker, video: Video, queries: Queries, latency: int | None, folder: Path
) -> Recording:
    """Until the camera ends or fails, or Ctrl-C is pressed; what has arrived is kept."""
    from motes.tracking.recording import record_live

    with progress(None, f"tracking live with {tracker.preset.name}") as advance:
        return record_live(
            tracker, video, queries, folder, latency=latency, progress=advance, warn=warn
        )


def _deliver(parts: Recording | list[Tracks], video: Video, job: Job, options: Options) -> Summary:
    """Write the outputs, and describe them; a recording stays until all of them are written."""
    if video.problem:
        warn(video.problem)
    try:
        write_outputs(parts, video, job.outputs, options)
    except BaseException:
        if job.live:  # a file can be tracked again
            command = f"motes export {job.part_folder} -o FILE"
            warn(f"the tracks are kept; to write them to a file: {command}")
        raise
    summary = Summary.of(parts, video)
    print_line(str(summary))
    if not isinstance(parts, list):
        remove(parts.folder)
    return summary


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
    from motes.queries.select import point_choice

    return point_choice(
        grid=grid, points=points, queries=queries, corners=corners, dense=dense, at=at
    )
