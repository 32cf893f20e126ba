"""``motes export-model``: a model as ONNX files."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import print_line
from motes.cli._options import WEIGHTS


def command(
    name: Annotated[str, typer.Argument(help="motes-s, a CoTracker3 or a TAPTR.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New or empty folder.")],
    weights: Annotated[Path | None, WEIGHTS] = None,
) -> None:
    """Write a model as ONNX files, for programs without Python.

    The folder gets the graphs, and config.json, which describes the model (docs/howto/onnx.md).
    motes runs them with: motes track VIDEO --runtime onnx --model NAME --weights FOLDER

    Example:
      motes export-model cotracker3-online -o exported
    """
    from motes.onnx.export import export_model
    from motes.tracking.load import load

    tracker = load(name, weights=weights, device="cpu")
    for file in export_model(tracker.model, tracker.preset, output):
        print_line(f"wrote {file}")
