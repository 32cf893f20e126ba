"""Limits of the numbers in a recipe, checked before any work is done."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from motes.errors import InputError

LARGEST_SIZE = 2**16
"""Largest value of a whole number in the configuration of a model: width, depth, window, ..."""


def check_limits(where: str, config: Any, **limits: tuple[float, float]) -> None:
    """Raise unless numbers lie in their ranges.

    Args:
        where: Name of the table in messages.
        config: A dataclass; fields that are None are not checked.
        limits: Smallest and largest value by name of the field.

    Raises:
        InputError: A number is out of its range.
    """
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            expected = f"a number from {low:g} to {high:g}"
            raise InputError(f"{where}.{name}: expected {expected}, got {value:g}")


def check_model_sizes(config: Any, where: str = "model.config") -> None:
    """Raise if a number in the configuration of a model is negative or far too large.

    Raises:
        InputError: A whole number is out of range.
    """
    if not is_dataclass(config):
        return
    for field in fields(config):
        value = getattr(config, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if type(number) is int and not 0 <= number <= LARGEST_SIZE:
                expected = f"a number from 0 to {LARGEST_SIZE}"
                raise InputError(f"{where}.{field.name}: expected {expected}, got {number}")
