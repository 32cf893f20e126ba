"""``motes export``: tracks from one file format to others."""

from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import console
from motes.export import check_output, load


def command(
    tracks: Annotated[Path, typer.Argument(help="A track file, such as bike.npz.")],
    output: Annotated[
        list[Path],
        typer.Option("--output", "-o", help="File to write; the suffix says what. Repeatable."),
    ],
) -> None:
    """Convert tracks to other file formats.

    The formats are .npz (NumPy), .csv and .parquet (one row a point and frame) and .json.

    Example:
      motes export bike.npz -o bike.csv -o bike.json
    """
    for path in output:
        check_output(path)
    content = load(tracks)
    for path in output:
        content.save(path)
        console.print(f"wrote {path}", highlight=False, markup=False)
