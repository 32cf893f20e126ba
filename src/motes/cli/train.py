"""``motes train``: weights from a recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motes.cli._common import print_line, progress
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.train.config import DataConfig


def command(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; see the folder recipes/.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe, such as train.lr=3e-4."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the run.  (default: runs/NAME)"),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue from a checkpoint in the folder.")] = True,
    render: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Only render clips, for motes-s: part K of N."),
    ] = None,
) -> None:
    """Train a model with a recipe; the same command again continues an interrupted run.

    Several GPUs, or machines that share the folder of the run:

      torchrun --nproc-per-node 8 --no-python motes train recipes/motes-s.toml

    To render the clips of motes-s beforehand, on two cores:

      motes train recipes/motes-s.toml --render 1/2 & motes train recipes/motes-s.toml --render 2/2
    """
    from motes.train.allocation import keep_large_arrays

    keep_large_arrays()  # before torch allocates anything
    from motes.train.config import read_parts
    from motes.train.loop import train_parts

    logging.basicConfig(format="motes: %(message)s", level=logging.INFO)
    parts = read_parts(recipe, changes or ())
    if render is not None:
        return _render(parts[0][1].data, *_share(render))
    folder = output or Path("runs") / recipe.stem
    done = 0
    steps, model = sum(part.train.steps for _, part in parts), parts[0][1].model.name
    with progress(steps, f"train {model}", unit="steps") as advance:

        def on_step(step: int, metrics: object) -> None:
            nonlocal done
            advance(step - done)
            done = step

        best = train_parts(parts, folder, resume=resume, on_step=on_step)
    print_line(str(best))
    return None


def _share(text: str) -> tuple[int, int]:
    """Part and number of parts, from "K/N"; the part counts from 0."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise InputError(f"--render: expected K/N with 1 <= K <= N, such as 1/2, got {text!r}")
    return int(part) - 1, int(parts)


def _render(config: DataConfig, part: int, parts: int) -> None:
    """Render the part of each source that keeps clips."""
    from motes.train.rendered import Rendered
    from motes.train.sources import build_sources

    sources = [s for s in build_sources(config) if isinstance(s, Rendered)]
    if not sources:
        raise InputError("--render: expected a recipe with a source of kind rendered, got none")
    for source in sources:
        with progress(len(source.share(part, parts)), "render", "clips") as advance:
            for _ in source.render(part, parts):
                advance(1)
        print_line(str(source.cache.folder))
