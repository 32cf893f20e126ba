"""What is done with one video of a batch, in whichever process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motes.batch.jobs import POINT_CHOICES, Job, Options
from motes.batch.ledger import Facts
from motes.batch.split import Split, SplitVideo
from motes.batch.storage import fetched, is_remote, output_path, stored
from motes.common.files import check_overwrites, make_folder
from motes.common.temporary import remove, temporary_folder
from motes.errors import InputError, MotesError
from motes.export import find_format, is_track_file, save_parts
from motes.queries import Queries
from motes.queries.select import point_choice, select
from motes.tracks import Tracks
from motes.video import Video, open_video, writer_suffixes

if TYPE_CHECKING:
    from motes.tracking.recording import Recording
    from motes.tracking.tracker import Tracker

PROCESS_BYTES = 600 * 2**20
"""What a process takes before it tracks anything: Python, torch, OpenCV, FFmpeg."""


def track_video(
    job: Job,
    folder: str,
    *,
    device: str | None = None,
    memory: int | None = None,
    progress: Callable[[int], object] | None = None,
    split: Split | None = None,
) -> Facts:
    """Track one video and write its outputs, each whole or not at all.

    Args:
        job: What to do.
        folder: Where outputs go; may be remote.
        device: Such as ``"cuda:1"``; by default a GPU if there is one.
        memory: Bytes that tracking may take.
        progress: Called with the number of frames just finished.
        split: How the frames of a long video are encoded by tasks of a cluster; None: here.

    Returns:
        What the ledger says of it.

    Raises:
        MotesError: The video cannot be read, a point does not fit, an output cannot be written.
    """
    from motes.tracking.recording import is_long

    options, outputs = job.options, job.outputs(folder)
    with fetched(job.video) as path, _recording_folder(outputs[0]) as recording:
        video = open_video(path, start=options.start, end=options.end)
        local = [output_path(output) for output in outputs if not is_remote(output)]
        check_overwrites(local, [*video.files, *options.files])
        queries = select(video, **_point_choice(options), mask=options.mask, at=options.at)
        _check_count(job, len(queries))
        tracker = tracker_of(options, device, memory)
        frames = _split_video(split, job, tracker, video)
        parts: Iterable[Tracks]
        if frames or (is_long(video) and not options.backward):
            parts = _recorded(tracker, video, queries, recording, progress, frames)
        else:
            parts = [tracker.track(video, queries, backward=options.backward, progress=progress)]
        for output in outputs:
            with stored(output) as target:
                _write(parts, video, target)
        return _facts(parts, video.problem or (frames.problem if frames else None))


def check_formats(jobs: Iterable[Job]) -> None:
    """Raise, before any work is done, if a track file could not be written.

    Raises:
        InputError: A format takes another number of points than a job has, as far as that is known
            without its video.
        MissingExtraError: What a format needs is not installed.
        FileError: A file of queries cannot be read.
    """
    for job in jobs:
        formats = [find_format(f"x.{suffix}") for suffix in _track_suffixes(job)]
        if any(found.points for found in formats):
            count = _known_count(job.options)
            if count is not None:
                _check_count(job, count)


def _known_count(options: Options) -> int | None:
    """Number of points that options choose; None if it depends on the video."""
    if options.mask is not None:
        return None
    if options.grid is not None:
        return options.grid**2
    queries = _point_choice(options).get("queries")
    return None if queries is None else len(queries)


def _check_count(job: Job, count: int) -> None:
    for suffix in _track_suffixes(job):
        takes = find_format(f"x.{suffix}").points
        if takes not in (None, count):
            raise InputError(
                f"{job.video}: expected {takes} points for the format {suffix}, got {count}"
            )


def _track_suffixes(job: Job) -> list[str]:
    return [suffix for suffix in job.formats if is_track_file(f"x.{suffix}")]


def planned_memory(job: Job) -> int | None:
    """Bytes that a job will take, by the plan of its model; None if that cannot be told.

    What is wrong with a job is said when it is run.
    """
    from motes.tracking.session import Session

    options = job.options
    try:
        video = open_video(job.video, start=options.start, end=options.end)
        queries = select(video, **_point_choice(options), mask=options.mask, at=options.at)
        session = Session(tracker_of(options).engine, video, keep=False)
        return PROCESS_BYTES + session.plan(len(queries)).peak
    except MotesError:
        return None


def _point_choice(options: Options) -> dict[str, Any]:
    choice = {name: getattr(options, name) for name in POINT_CHOICES}
    return point_choice(**choice, at=options.at)


def tracker_of(options: Options, device: str | None = None, memory: int | None = None) -> Tracker:
    """The tracker that a job wants; consecutive videos of a process share it."""
    o = options
    return _loaded(o.model, o.weights, o.dtype, o.runtime, device, memory)


@lru_cache(maxsize=1)
def _loaded(
    model: str | None,
    weights: str | None,
    dtype: str,
    runtime: str,
    device: str | None,
    memory: int | None,
) -> Tracker:
    from motes.tracking.load import DEFAULT_MODEL, load

    name = model or DEFAULT_MODEL
    return load(name, weights=weights, dtype=dtype, runtime=runtime, device=device, memory=memory)


def _split_video(
    split: Split | None, job: Job, tracker: Tracker, video: Video
) -> SplitVideo | None:
    """The frames of a video that is long enough to be split."""
    from motes.tracking.recording import is_long

    if split is None or job.options.backward or not is_long(video, split.frames):
        return None
    return SplitVideo(split, job, tracker, video)


def _recorded(
    tracker: Tracker,
    video: Video,
    queries: Queries,
    folder: Path,
    progress: Callable[[int], object] | None,
    frames: SplitVideo | None,
) -> Recording:
    from motes.tracking.recording import record

    return record(tracker, video, queries, folder, progress=progress, encoded=frames)


@contextmanager
def _recording_folder(output: str) -> Iterator[Path]:
    """Where the parts of a long video are kept; it stays if the run ends before its end."""
    if is_remote(output):
        with temporary_folder("recording") as temporary:
            yield Path(temporary) / "parts"
        return
    path = output_path(output)
    make_folder(path.parent)
    folder = path.with_name(f"{path.name}.part")
    yield folder
    remove(folder)


def _facts(parts: Iterable[Tracks], problem: str | None) -> Facts:
    counts = [(p.num_frames, p.num_points, int(p.visible.sum())) for p in parts]
    frames, points = sum(c[0] for c in counts), counts[0][1]
    visible = sum(c[2] for c in counts) / max(frames * points, 1)
    return Facts(frames, points, round(visible, 6), problem)


def _write(parts: Iterable[Tracks], video: Video, output: Path) -> None:
    if output.suffix.lower() not in writer_suffixes():
        save_parts(parts, output)
        return
    from motes.rendering.video import render

    render(video, Tracks.concat_frames(list(parts)), output)
