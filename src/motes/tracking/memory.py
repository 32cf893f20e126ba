"""How much memory a run will take, and how to cut it up so that it fits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from motes.errors import InputError
from motes.tracking.encoded import CHUNK

if TYPE_CHECKING:
    from motes.models.base import PointModel

SHARE = 0.6
"""Of the memory that is free: what a run may plan with, when no limit is given."""

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class MemoryPlan:
    """How a run is cut up.

    Attributes:
        limit: Bytes that the run may take, besides the weights and the program itself.
        features: Bytes of features that may stay in memory.
        points: How many points may be tracked together.
        remembered: Bytes of what the model finds on the way that it may keep for the next question.
        peak: Bytes that the run is expected to take.
    """

    limit: int
    features: int
    points: int
    remembered: int
    peak: int


def make_plan(
    model: PointModel,
    size: tuple[int, int],
    num_points: int,
    num_frames: int,
    limit: int,
    keep: bool,
) -> MemoryPlan:
    """Plan a run.

    Args:
        model: What tracks.
        size: Width and height of its input.
        num_points: How many points are asked for, with support points.
        num_frames: Of the video, as far as it is known.
        limit: Bytes that the run may take.
        keep: Whether the features of the whole video are wanted again.

    Returns:
        The plan.

    Raises:
        InputError: Not even a single point fits; the message says how much that takes.
    """
    window = min(model.window or num_frames, num_frames)
    per_frame = feature_bytes(model, size)
    remembered = remembered_bytes(model, limit)
    per_point = model.point_bytes * window
    kept = min(per_frame * num_frames, limit // 2) if keep else 0
    fixed = per_frame * (window + CHUNK) + remembered + kept
    room = limit - fixed
    if room < per_point:
        need = (fixed + per_point) / UNITS["M"]
        raise InputError(
            f"memory: expected at least {need:.0f}M for windows of {window} frames, "
            f"got {limit / UNITS['M']:.0f}M"
        )
    points = max(min(num_points, room // per_point), 1)
    return MemoryPlan(limit, kept, points, remembered, fixed + points * per_point)


def remembered_bytes(model: PointModel, limit: int) -> int:
    """What a model may keep for the next question, of all the bytes that a run may take."""
    return min(model.remembers, limit // 4)


def feature_bytes(model: PointModel, size: tuple[int, int]) -> int:
    """Bytes of the features of one frame, found by encoding a frame of zeros, once a model."""
    known = _feature_bytes.setdefault(model, {})
    if size not in known:
        W, H = size
        first = next(model.parameters(), torch.zeros(0))
        with torch.inference_mode():
            features = model.encode(torch.zeros(1, 1, 3, H, W, device=first.device))
        known[size] = sum(level.nbytes for level in features.levels)
    return known[size]


_feature_bytes: WeakKeyDictionary[PointModel, dict[tuple[int, int], int]] = WeakKeyDictionary()


def free_bytes(device: torch.device) -> int:
    """What a run on a device may plan with: a share of the memory that is free now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * SHARE)
    import psutil

    return int(psutil.virtual_memory().available * SHARE)


def parse_bytes(text: str | int) -> int:
    """Read a size such as ``"2G"``, ``"512M"`` or a number of bytes.

    Raises:
        InputError: It is none, or not positive.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if size <= 0:
        raise InputError(f"memory: expected a size such as 2G or 512M, got {text!r}")
    return size
