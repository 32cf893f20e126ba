"""What several commands share: the progress bar and what they print."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from motes.errors import InputError, MotesError

console = Console()
"""Where tables and results go (stdout)."""

if sys.stdout is None or not sys.stdout.isatty():
    console.width = 10_000  # files and pipes get whole lines


JSON_HELP = "Print the results as JSON; messages go to stderr."

LONGEST_LINE = 1000
"""Characters of an error message; it may quote what a user typed."""


def print_line(text: str) -> None:
    """Print a line as it is, without colours."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON, whatever the width of the terminal."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False))


@contextmanager
def messages_on_stderr(chosen: bool) -> Iterator[None]:
    """If chosen, `print_line` prints to stderr, so that stdout holds nothing but JSON."""
    before, console.stderr = console.stderr, chosen
    try:
        yield
    finally:
        console.stderr = before


def describe(error: Exception) -> str:
    """One line about an error, whatever it is."""
    if isinstance(error, MotesError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = "there is not enough memory"
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    return " ".join(text.split())[:LONGEST_LINE]


def warn(message: str) -> None:
    """Print a line to stderr."""
    typer.echo(f"motes: {message}", err=True)


def warn_about(video: str, problem: str) -> None:
    """Print a problem of one of several videos to stderr; many messages name the video already."""
    warn(problem if problem.startswith(f"{video}: ") else f"{video}: {problem}")


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


@contextmanager
def warnings_on_stderr() -> Iterator[None]:
    """Print what reading videos and queries logs, each as one line like an error."""
    handler = _Warnings(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("motes.video", "motes.queries")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self.unit}/s" if speed else "", style="cyan")


@contextmanager
def progress(
    total: int | None, label: str, unit: str = "frames"
) -> Iterator[Callable[[int], None]]:
    """Show a bar with speed and time left on stderr; silent when that is not a terminal.

    Args:
        total: How many steps there are; None if that is unknown.
        label: What is going on.
        unit: What a step is.

    Yields:
        A function to call with the number of steps just done.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=total)

        def advance(count: int = 1) -> None:
            bar.advance(task, count)

        yield advance


def pair_with_frames(
    files: Sequence[Path], frames: Sequence[int] | None, first: int, option: str
) -> list[tuple[Path, int]]:
    """Pair repeated files with the repeated option ``--at``.

    Args:
        files: Values of `option`.
        frames: Values of ``--at``; None: the first frame, for a single file.
        first: Number of the first frame.
        option: Name of the option of the files.

    Raises:
        InputError: There are not as many frames as files.
    """
    numbers = [first] if frames is None and len(files) == 1 else list(frames or [])
    if len(numbers) != len(files):
        got = f"{len(files)} {option} and {len(numbers)} --at"
        raise InputError(f"expected one --at for each {option}, got {got}")
    return list(zip(files, numbers, strict=True))
