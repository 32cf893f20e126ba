"""``motes batch``: many videos with one command; finished videos are not tracked again."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motes.cli._common import JSON_HELP, console, print_json, progress, warn_about
from motes.cli._options import (
    AT,
    BACKWARD,
    CORNERS,
    DENSE,
    DTYPE,
    END,
    GRID,
    MASK,
    MODEL,
    MODEL_NAME,
    POINT_LIST,
    QUERIES,
    RUNTIME,
    START,
    WEIGHTS,
)
from motes.common.files import locked, make_folder
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.batch.jobs import Job
    from motes.batch.ledger import Ledger
    from motes.batch.local import Event

LEDGER = "ledger.sqlite"
CLUSTER = "Cluster"


def command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Folders, globs, videos, or a table (.csv, .json, .parquet) with the column path; "
            "columns that are named as the options below hold their values for each video."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder for all results; also s3://, gs://, ...")
    ],
    formats: Annotated[
        str,
        typer.Option(
            help="Suffixes of the outputs, separated by commas; mp4: a video with the tracks."
        ),
    ] = "npz",
    grid: Annotated[int | None, GRID] = None,
    points: Annotated[str | None, POINT_LIST] = None,
    queries: Annotated[str | None, QUERIES] = None,
    corners: Annotated[int | None, CORNERS] = None,
    dense: Annotated[int | None, DENSE] = None,
    mask: Annotated[str | None, MASK] = None,
    at: Annotated[int | None, AT] = None,
    start: Annotated[int, START] = 0,
    end: Annotated[int | None, END] = None,
    backward: Annotated[bool, BACKWARD] = False,
    model: Annotated[str | None, MODEL_NAME] = None,
    weights: Annotated[str | None, WEIGHTS] = None,
    dtype: Annotated[str, DTYPE] = "float32",
    runtime: Annotated[str, RUNTIME] = "torch",
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda, or several: cuda:0,cuda:1.", rich_help_panel=MODEL),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Number of processes.  (default: one per core or GPU)", rich_help_panel=MODEL
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Address of a Ray cluster, or auto (a running one, else this machine).",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    cpus: Annotated[float, typer.Option(help="CPUs per video.", rich_help_panel=CLUSTER)] = 1,
    gpus: Annotated[
        float, typer.Option(help="GPUs per video, such as 0.25.", rich_help_panel=CLUSTER)
    ] = 0,
    stretch: Annotated[
        int | None,
        typer.Option(
            help="Number of frames of the parts into which long videos are split, so that several "
            "CPUs work on one video; 0: no split.  (default: by memory)",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    ledger_file: Annotated[
        Path | None,
        typer.Option("--ledger", help="File of the ledger.  (default: OUTPUT/ledger.sqlite)"),
    ] = None,
    retry: Annotated[bool, typer.Option(help="Track failed videos again.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Track many videos.

    Each video is tracked separately; if one fails, the others go on.  A ledger
    (OUTPUT/ledger.sqlite) records finished videos: the same command again tracks only videos that
    are new, changed, failed or interrupted.

    Examples:
      motes batch shots/ -o tracked --grid 10 --formats csv,mp4

      motes batch list.csv -o tracked --workers 2

      motes batch s3.csv -o s3://bucket/tracked --cluster auto --ledger run.sqlite
    """
    from motes.batch.jobs import POINT_CHOICES, Options, read_jobs
    from motes.batch.ledger import Ledger
    from motes.batch.work import check_formats
    from motes.queries.select import DEFAULT_GRID
    from motes.tracking.load import DEFAULT_MODEL, check_names

    choice: dict[str, Any] = {"grid": grid, "points": points, "queries": queries}
    choice |= {"corners": corners, "dense": dense}
    if all(choice[name] is None for name in POINT_CHOICES):
        choice["grid"] = DEFAULT_GRID
    choice |= {"mask": mask, "at": at}
    shared = Options(
        model, weights, dtype, runtime, **choice, backward=backward, start=start, end=end
    )
    shared.check()
    check_names(model or DEFAULT_MODEL, dtype, runtime)
    suffixes = _formats(formats)
    jobs = read_jobs(inputs, shared, suffixes, output)
    check_formats(jobs)
    path = _ledger_path(output, ledger_file)
    with _locked(path, output), Ledger(path) as ledger:
        todo = ledger.missing(jobs, output, again=retry)
        ledger.plan(todo)
        if cluster is None:
            events = _local(todo, output, workers, device)
        else:
            from motes.batch.cluster import run_cluster

            events = run_cluster(todo, output, cluster, cpus, gpus, stretch)
        with closing(events):
            _follow(events, ledger, len(jobs), len(jobs) - len(todo))
        _report(ledger, jobs, as_json)


def _local(
    jobs: Sequence[Job], folder: str, workers: int | None, device: str | None
) -> Generator[Event, None, None]:
    from motes.batch.local import run_local
    from motes.common.processes import available_cores

    if workers is not None and workers < 1:
        raise InputError(f"--workers: expected at least 1, got {workers}")
    devices = device.split(",") if device else [None]
    count = workers or (len(devices) if device else available_cores())
    return run_local(jobs, folder, count, devices)


def _ledger_path(output: str, chosen: Path | None) -> Path:
    """Where the ledger is; its folder is made."""
    from motes.batch.storage import is_remote, output_path

    if chosen is None and is_remote(output):
        raise InputError(f"--ledger: expected a local file, because {output} is remote, got none")
    path = chosen or output_path(output) / LEDGER
    make_folder(path.parent)
    return path


@contextmanager
def _locked(ledger: Path, output: str) -> Iterator[None]:
    """Let no other run use this ledger, or write into this folder, at the same time."""
    from motes.batch.storage import is_remote, output_path

    files = {ledger.resolve()}
    if not is_remote(output):
        files.add(make_folder(output_path(output)).resolve() / LEDGER)
    with ExitStack() as stack:
        for file in sorted(files):
            stack.enter_context(locked(file.parent, f"{file.name}.lock"))
        yield


def _follow(events: Iterator[Event], ledger: Ledger, total: int, done: int) -> None:
    """Write all changes of state to the ledger, and show them."""
    from motes.batch.ledger import DONE, FAILED
    from motes.batch.storage import redacted

    with progress(total, "tracking", "videos") as advance:
        advance(done)
        for event in events:
            if event.state == DONE:
                ledger.finish(event.job, event.value)
            elif event.state == FAILED:
                ledger.fail(event.job, event.value)
                warn_about(redacted(event.job.video), event.value)
            elif event.value == 0:
                ledger.start(event.job)
            advance(int(event.state in (DONE, FAILED)))


def _report(ledger: Ledger, jobs: Sequence[Job], as_json: bool) -> None:
    """Print the results; exit with 1 if a video failed."""
    from motes.batch.ledger import DONE, FAILED

    names = {job.name for job in jobs}
    entries = [entry for entry in ledger.entries() if entry.name in names]
    failed = [entry for entry in entries if entry.state == FAILED]
    if as_json:
        print_json([asdict(entry) for entry in entries])
    else:
        done = sum(entry.state == DONE for entry in entries)
        console.print(f"{done} of {len(jobs)} videos done, {len(failed)} failed", highlight=False)
    if failed:
        raise typer.Exit(1)


def _formats(text: str) -> list[str]:
    from motes.export import formats
    from motes.video import writer_suffixes

    known = sorted({suffix[1:] for suffix in (*formats(), *writer_suffixes()) if suffix})
    chosen = [name.strip().lstrip(".").lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen or len(set(chosen)) < len(chosen):
        expected = f"expected different formats out of {', '.join(known)}"
        raise InputError(f"--formats: {expected}, got {text!r}")
    return chosen
