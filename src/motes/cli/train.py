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

      torchrun --nproc-per-node 8 --no-python motes train recipes/taptrv2-s.toml
    """
    from motes.train.config import read_recipe
    from motes.train.loop import train

    logging.basicConfig(format="motes: %(message)s", level=logging.INFO)
    plan = read_recipe(recipe, changes or ())
    folder = output or Path("runs") / recipe.stem
    done = 0
    with progress(plan.train.steps, f"train {plan.model.name}", unit="steps") as advance:

        def on_step(step: int, metrics: object) -> None:
            nonlocal done
            advance(step - done)
            done = step

        best = train(plan, folder, resume=resume, on_step=on_step)
    say(str(best))
