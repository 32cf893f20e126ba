"""Write the results of an evaluation: numbers for each clip, and two charts."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motes.common.files import replacing
from motes.errors import MissingExtraError
from motes.eval.benchmark import Score, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_charts() -> None:
    """Raise `MissingExtraError` unless charts can be drawn."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("Drawing the charts of an evaluation", "eval")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_report(folder: Path, scores: list[Score], facts: Mapping[str, Any]) -> list[Path]:
    """Write ``scores.csv``, ``scores.json``, ``clips.png`` and ``speed.png``.

    Args:
        folder: An existing folder.
        scores: At least one.
        facts: Further entries of the JSON file: data set, protocol, mode, ...

    Returns:
        The files.

    Raises:
        FileError: A file cannot be written.
    """
    check_charts()
    writers = {
        "scores.csv": lambda path: _write_csv(path, scores),
        "scores.json": lambda path: _write_json(path, scores, facts),
        "clips.png": lambda path: _draw_clips(path, scores),
        "speed.png": lambda path: _draw_speed(path, scores),
    }
    for name, write in writers.items():
        with replacing(folder / name) as temporary:
            write(temporary)
    return [folder / name for name in writers]


def _write_csv(path: Path, scores: list[Score]) -> None:
    rows = [asdict(score) | score.metrics for score in scores]
    columns = [name for name in rows[0] if name != "metrics"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_json(path: Path, scores: list[Score], facts: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content(scores, facts), indent=2) + "\n", encoding="utf-8")


def content(scores: list[Score], facts: Mapping[str, Any]) -> dict[str, Any]:
    """All results as JSON has them, with null for what has no value.

    Args:
        scores: At least one.
        facts: Further entries: data set, protocol, mode, ...
    """
    summaries = [asdict(summary) for summary in summarise(scores)]
    each = [asdict(score) for score in scores]
    return _without_nan({**facts, "models": summaries, "scores": each})


def _without_nan(value: Any) -> Any:
    """Replace NaN by None, because JSON has no NaN."""
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _draw_clips(path: Path, scores: list[Score]) -> None:
    """AJ of each model on each clip, as bars side by side."""
    clips = list(dict.fromkeys(score.clip for score in scores))
    models = list(dict.fromkeys(score.model for score in scores))
    height = 0.8 / len(models)
    figure = _figure(8, 1.2 + 0.22 * len(clips) * len(models))
    axes = figure.add_subplot()
    for i, model in enumerate(models):
        selected = [score for score in scores if score.model == model]
        at = [clips.index(score.clip) + (i - (len(models) - 1) / 2) * height for score in selected]
        axes.barh(at, [_percent(score) for score in selected], height, label=model)
    axes.set_yticks(range(len(clips)), clips)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="average Jaccard, %")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
    figure.savefig(path, dpi=150)


def _draw_speed(path: Path, scores: list[Score]) -> None:
    """Accuracy against speed, one dot per model."""
    figure = _figure(6, 4)
    axes = figure.add_subplot()
    for summary in summarise(scores):
        at = (summary.frames_per_second, 100 * summary.metrics["average_jaccard"])
        axes.scatter(*at, s=50)
        axes.annotate(summary.model, at, xytext=(6, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.set(ylim=(0, 100), xlabel="frames per second", ylabel="average Jaccard, %")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def _percent(score: Score) -> float:
    value = score.metrics["average_jaccard"]
    return 0.0 if math.isnan(value) else 100 * value
