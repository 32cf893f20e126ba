"""The number type in which a model computes, and its choice where the user leaves it open."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from motes.models.preset import Preset

AUTO = "auto"

DTYPES = {t: getattr(torch, t) for t in ("float32", "bfloat16", "float16")}

NUMBER_TYPES = (AUTO, *DTYPES)
"""What ``dtype=`` may be."""

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Flags of processors that multiply bfloat16 faster than float32.

Others emulate it: PyTorch then converts, computes in float32, and rounds, which is slower.
"""


def choose_dtype(preset: Preset, device: torch.device) -> torch.dtype:
    """The number type of ``dtype="auto"``.

    bfloat16 where the model's preset allows it, because it pays and hardly moves the points, and
    where the device multiplies bfloat16 faster than float32; float32 everywhere else.  Nothing is
    timed: a choice by load would make the tracks depend on what else runs.

    Args:
        preset: The model.
        device: Where it runs.

    Returns:
        ``torch.bfloat16`` or ``torch.float32``.

    Example:
        >>> from motes.tracking.load import presets
        >>> choose_dtype(presets()["lk"], torch.device("cpu"))
        torch.float32
    """
    allowed = preset.bfloat16 and has_bfloat16(device)
    return torch.bfloat16 if allowed else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32, as far as is known."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(BFLOAT16_FLAGS & _processor_flags())


@cache
def _processor_flags() -> frozenset[str]:
    """Flags of the processor as Linux tells them; none on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    return parse_flags(text)


def parse_flags(cpuinfo: str) -> frozenset[str]:
    """Flags of the first processor in the text of ``/proc/cpuinfo``.

    Args:
        cpuinfo: Lines such as ``flags : fpu vme``.

    Returns:
        The flags; none if there is no such line.

    Example:
        >>> sorted(parse_flags("flags : fpu avx512_bf16"))
        ['avx512_bf16', 'fpu']
    """
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()
