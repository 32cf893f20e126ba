"""``motes eval``: measure models side by side on clips with known tracks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from motes.cli._common import (
    JSON_HELP,
    console,
    messages_on_stderr,
    print_json,
    print_line,
    progress,
    warn,
)
from motes.cli._names import file_name
from motes.cli._options import DEVICE, DTYPE
from motes.common.files import make_folder
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.data import Collection
    from motes.eval.benchmark import OnTracks, Score, Summary
    from motes.eval.task import Task
    from motes.tracking.tracker import Tracker
    from motes.tracks import Tracks


def command(
    dataset: Annotated[str, typer.Argument(help="One of $datasets.")],
    path: Annotated[Path, typer.Argument(help="Folder or file of the data set.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Name, or NAME=WEIGHTS; repeatable. See: motes models.")
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="One of $protocols."),
    ] = "tapvid",
    mode: Annotated[
        str, typer.Option(help="Queries per point: first, or strided (every fifth frame).")
    ] = "first",
    limit: Annotated[int | None, typer.Option(help="Only the first N clips.", min=1)] = None,
    points: Annotated[int | None, typer.Option(help="At most N queries per clip.", min=1)] = None,
    device: Annotated[str | None, DEVICE] = None,
    dtype: Annotated[str, DTYPE] = "float32",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for numbers, predictions and charts."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Measure models on clips with known tracks, with the TAP-Vid metrics.

    Prints a table.  With -o, also writes scores.csv and scores.json (every clip), charts, and the
    predictions: DIR/predictions/MODEL/CLIP.npz, in pixels of the original video.

    Examples:
      motes eval clips clips/val --model lk --model flow -o results

      motes eval tapvid tapvid_davis.pkl --model cotracker3-offline --mode strided
    """
    from motes import data
    from motes.eval.benchmark import evaluate, summarise
    from motes.eval.metrics import check_mode
    from motes.eval.protocols import find_protocol
    from motes.eval.report import content
    from motes.tracking.load import DEFAULT_MODEL

    rules, where = find_protocol(protocol), check_mode(mode)
    if points is not None and points < 1:
        raise InputError(f"--points: expected at least 1, got {points}")
    collection = data.load(dataset, path, limit)
    if output is not None:
        _prepare(output)
    trackers = _load(model or [DEFAULT_MODEL], device, dtype)

    scores: list[Score] = []
    with progress(len(collection), "evaluating", "clips") as advance:
        for scores_of_clip in evaluate(
            collection, trackers, rules, where, max_queries=points, on_tracks=_saver(output)
        ):
            scores += scores_of_clip
            advance(1)
    facts = {
        "dataset": dataset,
        "path": str(path),
        "protocol": protocol,
        "mode": mode,
        "points": points,
        "skipped": collection.skipped,
    }
    if output is not None:
        with messages_on_stderr(as_json):
            _write(output, scores, facts)
    if as_json:
        print_json(content(scores, facts))
    else:
        clips = len(collection) - len(collection.skipped)
        console.print(_table(summarise(scores), f"{path}: {clips} clips, {protocol}, {mode}"))
    _report_skipped(collection)


def _prepare(folder: Path) -> None:
    """Make sure that results can be written, before any work is done."""
    from motes.eval.report import check_charts

    check_charts()
    make_folder(folder)


def _load(models: list[str], device: str | None, dtype: str) -> "dict[str, Tracker]":
    """Trackers by label: the name, with that of the weights' file if one was given."""
    from motes.tracking.load import load

    trackers = {}
    for text in models:
        name, _, weights = text.partition("=")
        label = f"{name}={Path(weights).stem}" if weights else name
        if label in trackers:
            raise InputError(f"--model: expected different models, got {label} twice")
        trackers[label] = load(name, weights=weights or None, device=device, dtype=dtype)
    return trackers


def _saver(output: Path | None) -> "OnTracks | None":
    """What stores the predictions of each clip."""
    if output is None:
        return None

    def save(task: "Task", label: str, tracks: "Tracks") -> None:
        folder = output / "predictions" / label
        make_folder(folder)
        tracks.save(folder / (file_name(task.name) + ".npz"))

    return save


def _table(summaries: "list[Summary]", title: str) -> Table:
    from motes.eval.metrics import THRESHOLDS

    columns = {
        "AJ": "average_jaccard",
        "δ avg": "average_pts_within_thresh",
        "OA": "occlusion_accuracy",
    }
    columns |= {f"<{d}": f"pts_within_{d}" for d in THRESHOLDS}
    caption = "in %; <d: within d pixels of 256 x 256"
    table = Table(box=None, title=title, title_justify="left", caption=caption)
    table.add_column("model", overflow="fold", min_width=10)
    for column in (*columns, "frames/s"):
        table.add_column(column, justify="right", no_wrap=True)
    for s in summaries:
        numbers = [f"{100 * s.metrics[name]:.1f}" for name in columns.values()]
        table.add_row(s.model, *numbers, f"{s.frames_per_second:.1f}")
    return table


def _report_skipped(collection: "Collection") -> None:
    if collection.skipped:
        warn(f"{len(collection.skipped)} clips skipped")
    for name, reason in collection.skipped.items():
        warn(f"skipped {name}: {reason}")


def _write(folder: Path, scores: "list[Score]", facts: dict[str, Any]) -> None:
    from motes.eval.report import write_report

    for file in write_report(folder, scores, facts):
        print_line(f"wrote {file}")
