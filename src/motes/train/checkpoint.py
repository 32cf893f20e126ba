"""Checkpoints: a new one is complete before it replaces the old one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from motes.common.headroom import check_archive_memory
from motes.common.packing import save
from motes.errors import FileError


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; at any moment, `path` holds the old one or the complete new one.

    Args:
        path: The file; its folder exists.
        content: Tensors, plain numbers, strings and containers of them.

    Raises:
        FileError: It cannot be written; the old one stays.
    """
    save(content, path, durable=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values, no code.

    Raises:
        FileError: It cannot be read.
    """
    try:
        check_archive_memory(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load fails in many ways on a damaged file
        raise FileError(f"{path}: cannot be read as a checkpoint ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
