"""Memory that the samples of a recipe take, checked before any work is done."""

from __future__ import annotations

from motes.common.headroom import check_memory
from motes.train.config import Recipe

PIXEL_BYTES = 3 * 5
"""Bytes of a pixel while a sample is prepared: three channels in uint8 and in float32."""

POINT_BYTES = 16
"""Bytes of a point in a frame: position, visibility and validity."""


def check_sample_memory(recipe: Recipe) -> None:
    """Raise if the samples of a step, or those of the validation, do not fit into memory.

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
