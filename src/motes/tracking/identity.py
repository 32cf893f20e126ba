"""What makes two runs the same run: the video, the weights, the settings and the points.

A fact is a short text with a name, such as ``"video content": "9f2b..."``.  Two runs with the same
facts give the same tracks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from motes.common.files import file_stats
from motes.errors import FileError
from motes.models.base import PointModel
from motes.queries.points import Queries
from motes.video import Video

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker

SAMPLES = 16
"""Positions of a file at which bytes are read, from its start to its end."""

SAMPLE_BYTES = 2**16

SAMPLED_FILES = 64
"""Files of a folder of images from which bytes are read, evenly spread."""


def video_facts(video: Video) -> dict[str, str]:
    """Which video it is: by the bytes of its files, or by some frames where there are no files.

    The folder does not count, so that a project can be moved.
    """
    facts = {
        "video": video.name,
        "frame size": "{}x{}".format(*video.size),
        "frames": f"{video.start} to {'the end' if video.end is None else video.end}",
    }
    try:
        return facts | (_file_facts(video.files) if video.files else _frame_facts(video))
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{video.name}: cannot be read: {error.strerror or error}") from None


def _file_facts(files: Sequence[Path]) -> dict[str, str]:
    """Size, time of the last change, and content as far as it is sampled."""
    stats = file_stats(files)
    digest = hashlib.sha256(repr(stats).encode())
    for file in (files[i] for i in _spread(len(files), SAMPLED_FILES)):
        _add_samples(digest, file)
    changed = max(time for _, _, time in stats)
    return {
        "video size": f"{sum(size for _, size, _ in stats)} bytes",
        "video time": f"{datetime.fromtimestamp(changed // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
        f".{changed % 10**9:09d}",
        "video content": digest.hexdigest()[:16],
    }


def _add_samples(digest: hashlib._Hash, file: Path) -> None:
    last = max(file.stat().st_size - SAMPLE_BYTES, 0)
    with file.open("rb") as stream:
        for position in _spread(last + 1, SAMPLES):
            stream.seek(position)
            digest.update(stream.read(SAMPLE_BYTES))


def _frame_facts(video: Video) -> dict[str, str]:
    """First, middle and last frame, of what can be read more than once."""
    count = video.num_frames
    if not count:
        return {}
    digest = hashlib.sha256()
    for number in (video.start + i for i in _spread(count, 3)):
        digest.update(video.read(number, number + 1).tobytes())
    return {"video length": f"{count} frames", "video content": digest.hexdigest()[:16]}


def _spread(count: int, samples: int) -> list[int]:
    """At most `samples` of the numbers 0 .. count - 1, with the first and the last."""
    return sorted({int(i) for i in np.linspace(0, count - 1, samples)}) if count else []


def tracker_facts(tracker: Tracker) -> dict[str, str]:
    """Which model it is, with which weights and settings."""
    preset = tracker.preset
    settings = (preset.config, preset.resize, preset.visible_above, preset.score_with_confidence)
    return {
        "model": preset.name,
        "weights": _weights_digest(tracker.model),
        "settings": _digest(repr((*settings, preset.support)).encode()),
        "number type": str(tracker.dtype),
    }


def _weights_digest(model: PointModel) -> str:
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def query_facts(queries: Queries) -> dict[str, str]:
    """Which points they are."""
    return {"queries": f"{len(queries)} points {_digest(queries.txy.tobytes())}"}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
