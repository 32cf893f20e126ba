"""``motes train``: weights from a recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import progress, say


def command(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; see the folder recipes/.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: train.lr=3e-4."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the run (default: runs/NAME)."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue from a checkpoint in the folder.")] = True,
) -> None:
    """Train a model as a recipe says; the same command again continues a run.

    Several GPUs, or machines that share the folder of the run:

      torchrun --nproc-per-node 8 --no-python motes train recipes/motes-s.toml
    """
    from motes.train.allocation import keep_large_arrays

    keep_large_arrays()  # before torch allocates anything
    from motes.train.config import read_parts
    from motes.train.loop import train_parts

    logging.basicConfig(format="motes: %(message)s", level=logging.INFO)
    parts = read_parts(recipe, changes or ())
    folder = output or Path("runs") / recipe.stem
    done = 0
    steps, model = sum(part.train.steps for _, part in parts), parts[0][1].model.name
    with progress(steps, f"train {model}", unit="steps") as advance:

        def on_step(step: int, metrics: object) -> None:
            nonlocal done
            advance(step - done)
            done = step

        best = train_parts(parts, folder, resume=resume, on_step=on_step)
    say(str(best))
