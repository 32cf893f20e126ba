"""Convert frozen dataclasses to plain containers and back, to save state without pickled code."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from motes.common.files import replacing
from motes.common.headroom import check_archive_memory
from motes.errors import FileError, MotesError

KIND = "kind"
"""Key under which a packed dataclass names its class."""


def pack(value: Any) -> Any:
    """Turn dataclasses, at any depth, into dicts; tensors, numbers and text stay."""
    if isinstance(value, Fraction):
        return {KIND: "Fraction", "parts": (value.numerator, value.denominator)}
    if is_dataclass(value):
        packed = {f.name: pack(getattr(value, f.name)) for f in fields(value)}
        return {KIND: type(value).__name__, **packed}
    if isinstance(value, tuple | list):
        return type(value)(pack(v) for v in value)
    return value


def unpack(value: Any, kinds: Iterable[type]) -> Any:
    """The inverse of `pack`.

    Args:
        value: A result of `pack`.
        kinds: The allowed dataclasses.

    Raises:
        KeyError: A dataclass is not allowed.
        TypeError: Its fields are wrong.
    """
    known = {kind.__name__: kind for kind in kinds}
    if isinstance(value, dict):
        content = {name: unpack(v, known.values()) for name, v in value.items()}
        kind = content.pop(KIND)
        return Fraction(*content["parts"]) if kind == "Fraction" else _build(known[kind], content)
    if isinstance(value, tuple | list):
        return type(value)(unpack(v, known.values()) for v in value)
    return value


def _build(kind: type, content: dict[str, Any]) -> Any:
    """Make a dataclass and check the types of its fields."""
    value: Any = kind(**content)
    hints = get_type_hints(kind, vars(sys.modules[kind.__module__]), {})
    for field in fields(value):
        expected, got = hints[field.name], getattr(value, field.name)
        if not _fits(got, expected):
            name = f"{kind.__name__}.{field.name}"
            raise TypeError(f"{name}: expected {expected}, got {type(got).__name__}")
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that an annotation names."""
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = get_args(hint)
        if kinds[1:] == (...,):
            kinds = kinds[:1] * len(value)
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    return hint is Any or isinstance(value, get_origin(hint) or hint)


def kinds_in(value: Any) -> list[type]:
    """All dataclasses in a value."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = [k for f in fields(value) for k in kinds_in(getattr(value, f.name))]
        return [type(value), *inner]
    if isinstance(value, tuple | list):
        return [k for v in value for k in kinds_in(v)]
    return []


def load(path: str | PathLike[str], device: torch.device | str = "cpu") -> Any:
    """Read what `save` wrote; nothing in the file is executed.

    Args:
        path: The file.
        device: Where tensors go.

    Raises:
        InputError: The content does not fit into the free memory.
        FileError: The file cannot be read, is damaged, or holds something else.
    """
    try:
        check_archive_memory(Path(path))
        content = torch.load(path, weights_only=True, map_location=device)
    except MotesError:
        raise
    except Exception as error:  # zipfile and torch raise many types
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise FileError(f"{path}: expected a saved state; {reason}") from None
    if any(is_expanded(tensor) for tensor in _tensors(content)):
        raise FileError(f"{path}: expected tensors that hold all their numbers")
    return content


def is_expanded(tensor: Tensor) -> bool:
    """Whether a tensor has more elements than its storage, so that a copy needs more memory."""
    if tensor.layout != torch.strided or tensor.is_meta:
        return True
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def _tensors(content: Any) -> Iterator[Tensor]:
    if isinstance(content, Tensor):
        yield content
    elif isinstance(content, dict):
        yield from _tensors(list(content.values()))
    elif isinstance(content, tuple | list):
        for value in content:
            yield from _tensors(value)


def save(content: Any, path: str | PathLike[str], *, durable: bool = False) -> None:
    """Write tensors in plain containers to a file; `path` holds old or complete new content.

    Args:
        content: Tensors, plain numbers, strings and containers of them.
        path: The file; its folder exists.
        durable: Whether to wait until the data is on the disk, in case of a power failure.

    Raises:
        FileError: It cannot be written; no partial file remains.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's error for a full disk
            raise OSError("torch could not write all of it; is the disk full?") from error
        if durable:
            file.flush()
            os.fsync(file.fileno())
