"""What several commands share: the progress bar and what they print."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

from motes.errors import MotesError

console = Console()
"""Where tables and results go (stdout)."""

if sys.stdout is None or not sys.stdout.isatty():
    console.width = 10_000  # files and pipes get whole lines


LONGEST_LINE = 1000
"""Characters of an error message; it may quote what a user typed."""


def say(text: str) -> None:
    """Print a line as it is, without colours."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


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
