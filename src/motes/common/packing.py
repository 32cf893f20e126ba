"""Frozen dataclasses as plain containers and back: state is saved without pickled code."""

import os
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from fractions import Fraction
from os import PathLike
from typing import Any

import torch

from motes.common.files import replacing

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
        value: What `pack` gave.
        kinds: The dataclasses that may occur.

    Raises:
        KeyError: A dataclass that is not among them.
        TypeError: Its fields do not fit.
    """
    known = {kind.__name__: kind for kind in kinds}
    if isinstance(value, dict):
        content = {name: unpack(v, known.values()) for name, v in value.items()}
        kind = content.pop(KIND)
        return Fraction(*content["parts"]) if kind == "Fraction" else known[kind](**content)
    if isinstance(value, tuple | list):
        return type(value)(unpack(v, known.values()) for v in value)
    return value


def kinds_in(value: Any) -> list[type]:
    """The dataclasses that occur in a value."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = [k for f in fields(value) for k in kinds_in(getattr(value, f.name))]
        return [type(value), *inner]
    if isinstance(value, tuple | list):
        return [k for v in value for k in kinds_in(v)]
    return []


def save(content: Any, path: str | PathLike[str], *, durable: bool = False) -> None:
    """Write tensors in plain containers to a file; `path` holds the old one or the whole new one.

    Args:
        content: Tensors, plain numbers, strings and containers of them.
        path: The file; its folder exists.
        durable: Whether to wait until it is on the disk, so that it outlives a power cut.

    Raises:
        FileError: It cannot be written; nothing is left of it.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # often all that torch says of a disk that is full
            raise OSError("torch could not write all of it; is the disk full?") from error
        if durable:
            file.flush()
            os.fsync(file.fileno())
