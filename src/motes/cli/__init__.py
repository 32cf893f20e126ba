"""The command line: one command a file, found by its name.

A module of this package that defines a function ``command`` is the command of that name; the
signature and the docstring of the function are its interface and its help.
"""

import importlib
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from motes.cli._common import describe, warn, warnings_on_stderr
from motes.cli._help import Command
from motes.cli._terminal import make_safe
from motes.common.interrupts import SIGNALLED, ending_in_order
from motes.errors import MotesError

DEBUG = "--debug"

ORDER = ("demo", "track", "render", "plot", "export", "models", "fetch")


def build_app() -> typer.Typer:
    """The application with every command of this package."""
    app = typer.Typer(
        name="motes",
        help="Track any point through any video.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_root)
    for name in _command_names():
        module = importlib.import_module(f"{__name__}.{name}")
        app.command(name.replace("_", "-"), cls=Command)(module.command)
    return app


def _command_names() -> list[str]:
    found = {m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}
    return [n for n in ORDER if n in found] + sorted(found - set(ORDER))


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
    debug: bool = typer.Option(
        False, DEBUG, help="Show the traceback of an error; also after the command."
    ),
) -> None:
    if version:
        from motes import __version__

        typer.echo(f"motes {__version__}")
        raise typer.Exit()


def main() -> None:
    """Run the command of this process; an error is one line on stderr and a non-zero exit code."""
    make_safe()
    share_processors()
    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(code)


def share_processors() -> None:
    """Let threads of torch sleep when they wait for each other, unless the user says otherwise.

    By default they wait actively.  Where other threads compute, too, such as those of dense flow,
    the time of both is lost: five times the processor time for `motes-s` on a busy machine.  The
    OpenMP library reads the setting when torch is loaded, so this comes first.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code: 0 only when everything requested was written."""
    debug = DEBUG in arguments
    try:
        with ending_in_order(), warnings_on_stderr():
            return _run([a for a in arguments if a != DEBUG])
    except SystemExit as end:
        if not isinstance(end.code, int) or end.code <= SIGNALLED:
            raise
        return _complain("interrupted", end.code)
    except (KeyboardInterrupt, Exception) as error:
        if debug:
            traceback.print_exception(error)
        return _report(error, debug)


def _run(arguments: Sequence[str]) -> int:
    code = int(build_app()(arguments, standalone_mode=False) or 0)
    if code == SIGNALLED + signal.SIGINT:  # typer returns it instead of raising
        raise KeyboardInterrupt
    return code


def _report(error: Any, debug: bool) -> int:
    """Print one line about an error; the exit code of the process."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return _complain("interrupted", SIGNALLED + signal.SIGINT)
    if hasattr(error, "format_message"):  # a usage error of typer, whichever click it carries
        return _usage(error)
    known = isinstance(error, MotesError | OSError | MemoryError)
    hint = "" if debug or known else f" (motes {DEBUG} ... shows where)"
    return _complain(describe(error) + hint, 1)


def _usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return 0
    where = context.command_path if context else "motes"
    return _complain(f"{error.format_message()} (see: {where} --help)", 2)


def _complain(message: str, code: int) -> int:
    warn(" ".join(message.split()))
    return code
