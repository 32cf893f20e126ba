"""Find plug-ins in the modules of a package: a new plug-in is a new file.

A plug-in module declares module-level values of a known type (a model file its `Preset` values, an
export file its `Format`).  `discover` imports every module of the package once and collects them.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import TypeVar

from motes.errors import InputError

T = TypeVar("T")


@cache
def discover(package: str, kind: type[T]) -> tuple[T, ...]:
    """Collect the plug-ins of a package.

    Args:
        package: Dotted name of the package whose modules are searched.
        kind: The type of a plug-in.  Modules define instances of it, alone or in tuples.

    Returns:
        All instances, in the order of module names and then of definition.
    """
    found: list[T] = []
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        module = importlib.import_module(f"{package}.{info.name}")
        for value in vars(module).values():
            members = value if isinstance(value, tuple) else (value,)
            found += [m for m in members if isinstance(m, kind) and m not in found]
    return tuple(found)


def suggest(name: str, known: Iterable[str], what: str) -> InputError:
    """Make the error for an unknown name, with a similar known name.

    Args:
        name: The unknown name.
        known: All known names.
        what: The noun, such as ``"model"``.

    Returns:
        The exception, to be raised by the caller.
    """
    names = sorted(known)
    longer = [known for known in names if name and known.startswith(name)]
    near = longer or difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return InputError(f"unknown {what} {name!r}{hint} Known: {', '.join(names)}")
