"""Memory of a run: an estimate, and chunk sizes that keep it below a limit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from weakref import WeakKeyDictionary

import torch

from motes.errors import InputError
from motes.models.base import PointModel, Schedule
from motes.tracking.encoded import CHUNK
from motes.video.ahead import frames_ahead

SHARE = 0.6
"""Share of the free memory that a run may take when no limit is given."""

DECODER_FRAMES = 8
"""Decoded frames that a decoder holds: references and those of its threads."""

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class MemoryPlan:
    """Chunk sizes of a run.

    Attributes:
        limit: Bytes that the run may take, besides the weights and the program itself.
        features: Bytes of features that may stay in memory.
        points: Number of points that may be tracked together.
        cache: Upper bound of the model's cache (`PointModel.new_cache`), in bytes.
        peak: Bytes that the run is expected to take, at most.

    Example:
        >>> plan = motes.load("lk", memory="200M").session("bike.mp4").plan(num_points=1000)
        >>> plan.peak <= plan.limit
        True
    """

    limit: int
    features: int
    points: int
    cache: int
    peak: int


def make_plan(
    model: PointModel,
    schedule: Schedule,
    size: tuple[int, int],
    num_points: int,
    num_frames: int,
    limit: int,
    keep: bool,
    frames: int = 0,
) -> MemoryPlan:
    """Plan a run.

    Args:
        model: The model that tracks.
        schedule: How its windows cover the video.
        size: Width and height of its input.
        num_points: Number of points, with support points.
        num_frames: Number of frames of the video, as far as it is known.
        limit: Bytes that the run may take.
        keep: Whether the features of the whole video are kept for further passes.
        frames: Bytes of the frames that are in work, see `frame_bytes`.

    Returns:
        The plan.

    Raises:
        InputError: Not even a single point fits; the message says how much memory that needs.
    """
    window = min(schedule.window or num_frames, num_frames)
    per_frame = feature_bytes(model, size)
    per_point = model.point_bytes * window
    always = per_frame * (window + CHUNK) + frames + model.pixel_bytes * size[0] * size[1]

    def shares(limit: int) -> tuple[int, int]:
        """Bytes of the features that are kept, and of the cache."""
        kept = min(per_frame * num_frames, limit // 2) if keep else 0
        return kept, cache_bytes(model, limit)

    kept, cache = shares(limit)
    fixed = always + kept + cache
    room = limit - fixed
    if room < per_point:
        enough = limit
        while (need := always + sum(shares(enough)) + per_point) > enough:
            enough = need  # of which the shares take at most three quarters
        raise InputError(
            f"memory: expected at least {ceil(enough / UNITS['M'])}M for windows of {window} "
            f"frames, got {limit // UNITS['M']}M"
        )
    points = max(min(num_points, room // per_point), 1)
    return MemoryPlan(limit, kept, points, cache, fixed + points * per_point)


def frame_bytes(size: tuple[int, int]) -> int:
    """Bytes of the frames of ``(W, H)`` pixels that are in memory while a video is read.

    Those that wait, one that is resized as uint8 and as float32, and the frames of the decoder,
    with 1.5 bytes a pixel.
    """
    W, H = size
    return W * H * (3 * frames_ahead(size) + 3 + 3 * 4 + round(1.5 * DECODER_FRAMES))


def cache_bytes(model: PointModel, limit: int) -> int:
    """Upper bound of the model's cache in a run that may take `limit` bytes."""
    return min(model.cache_bytes, limit // 4)


def feature_bytes(model: PointModel, size: tuple[int, int]) -> int:
    """Bytes of the features of one frame, measured by encoding a frame of zeros, once per model."""
    known = _feature_bytes.setdefault(model, {})
    if size not in known:
        W, H = size
        first = next(model.parameters(), torch.zeros(0))
        with torch.inference_mode():
            features = model.encode(torch.zeros(1, 1, 3, H, W, device=first.device))
        known[size] = features.nbytes
    return known[size]


_feature_bytes: WeakKeyDictionary[PointModel, dict[tuple[int, int], int]] = WeakKeyDictionary()


def free_bytes(device: torch.device) -> int:
    """Bytes that a run on a device may take: a share of the memory that is free now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * SHARE)
    import psutil

    return int(psutil.virtual_memory().available * SHARE)


def parse_bytes(text: str | int) -> int:
    """Read a size such as ``"2G"``, ``"512M"`` or a number of bytes.

    Raises:
        InputError: The text is not a size, or not positive.

    Example:
        >>> from motes.tracking.memory import parse_bytes
        >>> parse_bytes("2G"), parse_bytes(1000)
        (2147483648, 1000)
    """
    match = re.fullmatch(
        r"(\d{1,20}(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE
    )
    size = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if size <= 0:
        raise InputError(f"memory: expected a size such as 2G or 512M, got {text!r}")
    return size
