"""The command line: one command a file, found by its name.

A module of this package that defines a function ``command`` is the command of that name; the
signature and the docstring of the function are its interface and its help.
"""

import importlib
import pkgutil
import sys
from typing import Any

import typer

from motes.errors import MotesError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

ORDER = ("demo", "track", "render", "plot", "export", "models", "fetch")


def build_app() -> typer.Typer:
    """The application with every command of this package."""
    app = typer.Typer(
        name="motes",
        help="Track any point through any video.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_root)
    for name in _command_names():
        app.command(name)(importlib.import_module(f"{__name__}.{name}").command)
    return app


def _command_names() -> list[str]:
    found = {m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}
    return [n for n in ORDER if n in found] + sorted(found - set(ORDER))


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        from motes import __version__

        typer.echo(f"motes {__version__}")
        raise typer.Exit()


def main(arguments: list[str] | None = None) -> None:
    """Run a command; a known problem is one line on stderr and a non-zero exit code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 only when everything asked for was written."""
    try:
        code = int(build_app()(arguments, standalone_mode=False) or 0)
        return _complain("interrupted", INTERRUPTED) if code == INTERRUPTED else code
    except MotesError as error:
        return _complain(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", INTERRUPTED)
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error of typer, whichever click it carries
            return _usage(error)
        raise


def _usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return 0
    where = context.command_path if context else "motes"
    return _complain(f"{error.format_message()} (see: {where} --help)", 2)


def _complain(message: str, code: int) -> int:
    line = " ".join(message.split())
    sys.stderr.write(f"motes: {line}\n")
    return code
