"""TOML to frozen dataclasses; unknown keys and wrong types are errors."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from motes.common.registry import suggest
from motes.errors import FileError, InputError

S = TypeVar("S")

LONGEST_INDEX = 9
"""Largest number of digits of an index of a list."""


def read_toml(path: Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Read a TOML file and set values in it.

    Its key ``base`` names another file, relative to it, over whose tables its own are laid.

    Args:
        path: The file.
        overrides: ``"table.key=value"``; the value is written as in TOML, but words need no quotes.
            A number selects an entry of a list: ``"data.sources.0.weight=2"``.

    Raises:
        FileError: The file, or the one that its key ``base`` names, cannot be read.
        InputError: It is not TOML, or an override does not fit.
    """
    tree = _parsed(path)
    base = tree.pop("base", None)
    if base is not None:
        if not isinstance(base, str):
            raise _mismatch(f"{path}: base", "the name of a file", base)
        tree = laid_over(_parsed(path.parent / base), tree)
    return override(tree, overrides)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # not text, not TOML, or nested too deeply
        raise InputError(f"{path}: expected TOML ({error})") from error


def laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Join tables key by key; everything else in `changes` replaces what is in `base`."""
    joined = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(joined.get(key), Mapping)
        joined[key] = laid_over(joined[key], value) if both else value
    return deepcopy(joined)


def override(tree: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Set values in a table, see `read_toml`; returns the table.

    Raises:
        InputError: An override does not fit.
    """
    for text in overrides:
        _override(tree, text)
    return tree


def _override(tree: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise InputError(f"setting: expected KEY=VALUE, got {override!r}")
    *path, last = name.strip().split(".")
    node: Any = tree
    for part in path:
        node = _child(node, part, override)
    if isinstance(node, list):
        node[_position(node, last, override)] = _value(text)
    else:
        node[last] = _value(text)


def _child(node: Any, part: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_position(node, part, override)]
    child = node.setdefault(part, {})
    if not isinstance(child, dict | list):
        raise InputError(f"setting {override!r}: {part!r} is a value, not a table")
    return child


def _position(node: list[Any], part: str, override: str) -> int:
    if not part.isdecimal() or len(part) > LONGEST_INDEX or int(part) >= len(node):
        what = f"expected an index below {len(node)}, got {part!r:.80}"
        raise InputError(f"setting {override!r:.80}: {what}")
    return int(part)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()


def build(kind: type[S], table: Any, where: str = "") -> S:
    """Make a dataclass from a table of plain values.

    Nested dataclasses are made from nested tables, tuples from lists, floats also from integers.

    Args:
        kind: The dataclass.
        table: Its fields; those with a default may be missing.
        where: Name of the table, for messages.

    Raises:
        InputError: A key is unknown (the nearest is suggested) or missing, or a type is wrong.
    """
    if not isinstance(table, Mapping):
        raise _mismatch(where or "recipe", "a table", table)
    values = _values(kind, table, where)
    known = (f for f in fields(kind) if f.init)  # type: ignore[arg-type]
    required = (f.name for f in known if f.default is f.default_factory is MISSING)
    missing = [name for name in required if name not in table]
    if missing:
        raise InputError(f"[{where or 'recipe'}]: the key {missing[0]!r} is missing")
    return kind(**values)


def amend(value: S, table: Any, where: str) -> S:
    """The same dataclass with some fields changed; arguments and errors as for `build`."""
    return replace(value, **_values(type(value), table, where))  # type: ignore[type-var]


def _values(kind: type[Any], table: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = [f.name for f in fields(kind) if f.init]
    unknown = [key for key in table if key not in known]
    if unknown:
        raise suggest(unknown[0], known, f"key in [{where}]" if where else "key in the recipe")
    hints = get_type_hints(kind)
    return {k: _convert(hints[k], v, f"{where}.{k}" if where else k) for k, v in table.items()}


def _convert(kind: Any, value: Any, where: str) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return _optional(kind, value, where)
    if get_origin(kind) is tuple:
        return _sequence(get_args(kind), value, where)
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise suggest(str(value), get_args(kind), f"value of {where}")
    if get_origin(kind) is Literal:
        return value
    if is_dataclass(kind):
        return build(kind, value, where)  # type: ignore[arg-type]
    if get_origin(kind) is dict:
        return _table(get_args(kind)[1], value, where)
    plain = get_origin(kind) or kind
    if plain is float:
        return _finite(value, where)
    if plain is Any or type(value) is plain:
        return value
    raise _mismatch(where, getattr(plain, "__name__", str(plain)), value)


def _finite(value: Any, where: str) -> float:
    if type(value) not in (int, float):
        raise _mismatch(where, "float", value)
    if not abs(value) <= sys.float_info.max:
        raise InputError(f"{where}: expected a finite number, got {value!r:.80}")
    return float(value)


def _table(kind: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _mismatch(where, "dict", value)
    return {key: _convert(kind, v, f"{where}.{key}") for key, v in value.items()}


def _optional(kind: Any, value: Any, where: str) -> Any:
    """``X | None``; TOML has no null, so an empty string stands for None where X is no string."""
    (inner,) = (k for k in get_args(kind) if k is not NoneType)
    return None if value is None or value == "" else _convert(inner, value, where)


def _sequence(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _mismatch(where, "a list", value)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise _mismatch(where, f"a list of {len(kinds)}", value)
    return tuple(
        _convert(k, v, f"{where}.{i}") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
    )


def _mismatch(where: str, expected: str, value: Any) -> InputError:
    return InputError(f"{where}: expected {expected}, got {type(value).__name__} {value!r:.200}")
