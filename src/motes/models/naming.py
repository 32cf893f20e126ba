"""Key names: from official CoTracker checkpoints to our modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

Rename = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]

COMMON: tuple[tuple[str, str | None], ...] = (
    (r"^fnet\.conv1", "encoder.stem"),
    (r"^fnet\.conv2", "encoder.mix"),
    (r"^fnet\.conv3", "encoder.out"),
    (r"^fnet\.layer1", "encoder.stages.0"),
    (r"^fnet\.layer2", "encoder.stages.1"),
    (r"^fnet\.layer3", "encoder.stages.2"),
    (r"^fnet\.layer4", "encoder.stages.3"),
    (r"downsample\.0", "shortcut"),
    (r"^updateformer\.input_transform", "transformer.input"),
    (r"^updateformer\.virual_tracks", "transformer.virtual_tracks"),
    (r"^updateformer\.time_blocks", "transformer.time"),
    (r"^updateformer\.space_blocks", "transformer.space"),
    (r"^updateformer\.space_virtual_blocks", "transformer.virtual"),
    (r"^updateformer\.space_virtual2point_blocks", "transformer.gather"),
    (r"^updateformer\.space_point2virtual_blocks", "transformer.spread"),
    (r"\.(cross_)?attn\.", ".attention."),
)


def rename_with(*rules: tuple[str, str | None]) -> Rename:
    """Make a function that renames a checkpoint.

    Args:
        *rules: Patterns and replacements, applied after those that all versions share; None drops
            the key (of a table that the constructor computes).

    Returns:
        A pure function from the tensors of a checkpoint to those of the module.
    """

    def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        renamed = {}
        for key, value in tensors.items():
            name = _rename(key, (*COMMON, *rules))
            if name is not None:
                renamed[name] = value
        return renamed

    return rename


def _rename(key: str, rules: tuple[tuple[str, str | None], ...]) -> str | None:
    for pattern, replacement in rules:
        if replacement is None and re.search(pattern, key):
            return None
        key = re.sub(pattern, replacement or "", key)
    return key
