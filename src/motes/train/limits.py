"""Limits of the numbers in a recipe, checked before any work is done."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from motes.common.headroom import check_memory
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.train.config import Recipe

PIXEL_BYTES = 3 * 5
"""Of a pixel while a sample is prepared: three channels in uint8 and in float32."""

POINT_BYTES = 16
"""Of a point in a frame: position, visibility and validity."""

LARGEST_SIZE = 2**16
"""Of anything in the configuration of a model: width, depth, window, ..."""


def check_limits(where: str, config: Any, **limits: tuple[float, float]) -> None:
    """Raise unless numbers lie in their ranges.

    Args:
        where: What messages call the table.
        config: A dataclass; fields that are None are not checked.
        limits: Least and largest value by name of the field.

    Raises:
        InputError: A number is out of its range.
    """
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            expected = f"a number from {low:g} to {high:g}"
            raise InputError(f"{where}.{name}: expected {expected}, got {value:g}")


def check_model_sizes(config: Any, where: str = "model.config") -> None:
    """Raise if the configuration of a model asks for something negative or absurdly large.

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


def check_sample_memory(recipe: Recipe) -> None:
    """Raise if the samples of a step, or those that are measured, do not fit into memory.

    Raises:
        InputError: They do not fit.
    """
    for number, stage in enumerate(recipe.train.stages):
        one = sample_bytes(stage.longest or stage.frames, stage.size, stage.points)
        step = one * stage.batch * recipe.train.accumulate
        check_memory(step, f"train.stages.{number}: one step of samples")
    e = recipe.eval
    if e.clips is None:
        count = e.number or 1
        check_memory(count * sample_bytes(e.frames, e.size, e.points), "eval: the clips")


def sample_bytes(frames: int, size: tuple[int, int], points: int) -> int:
    """Memory that a sample takes while it is prepared."""
    return frames * (size[0] * size[1] * PIXEL_BYTES + points * POINT_BYTES)
