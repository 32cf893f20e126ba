"""``motes generate``: synthetic clips with perfect tracks."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from motes.cli._common import print_line, progress
from motes.errors import InputError


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the clips.")],
    count: Annotated[int, typer.Option(help="Number of clips in the folder.", min=1)] = 100,
    frames: Annotated[int, typer.Option(help="Frames per clip.", min=2)] = 24,
    size: Annotated[str, typer.Option(help="Width x height (320x240) or one side.")] = "256",
    points: Annotated[int, typer.Option(help="Tracks per clip.", min=1)] = 256,
    textures: Annotated[
        Path | None, typer.Option(help="Folder of photographs.  (default: procedural patterns)")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same clips.")] = 0,
    kind: Annotated[
        str, typer.Option(help="layers (sliding shapes), solids (a 3-D world) or mixed.")
    ] = "mixed",
    device: Annotated[str, typer.Option(help="Device that renders, such as cuda.")] = "cpu",
    workers: Annotated[
        int | None,
        typer.Option(help="Number of processes.  (default: one per core; 1 with --device)"),
    ] = None,
) -> None:
    """Make clips with known tracks, for training and for testing.

    Each clip is NAME.mp4 with NAME.npz, as `motes eval clips` and training read them.
    Existing clips are kept: the same command continues an interrupted run, and a larger --count
    adds clips.

    Examples:
      motes generate -o clips --count 500 --size 256

      motes generate -o clips --kind solids --textures photographs --frames 48
    """
    from motes.synthetic.config import SyntheticConfig
    from motes.synthetic.folder import generate

    width, height = _size(size)
    config = SyntheticConfig(
        frames=frames,
        size=(height, width),
        points=points,
        kind=kind,
        textures=str(textures) if textures else None,
    )
    if workers is None:
        workers = (os.cpu_count() or 1) if device == "cpu" else 0
    clips = generate(output, config, count, seed, device, workers)
    with progress(count, f"generating {output}", unit="clips") as advance:
        for _ in clips:
            advance(1)
    print_line(f"{count} clips in {output}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip().lower())
    if not match:
        raise InputError(f"size: expected WIDTHxHEIGHT, such as 320x240, or one side, got {text!r}")
    return int(match[1]), int(match[2] or match[1])
