"""Generated clips on disk, in the clip format of `motes.data.clips`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from motes.common.files import replacing
from motes.common.processes import end_with_parent
from motes.coordinates import pixels_to_raster
from motes.data.sample import Sample
from motes.errors import FileError, InputError, MotesError
from motes.synthetic.config import SyntheticConfig
from motes.synthetic.engine import SyntheticClips
from motes.synthetic.video_coding import FPS
from motes.video import open_writer

SETTINGS = "settings.json"
"""File of a folder that holds the settings of its clips."""


def generate(
    folder: str | Path,
    config: SyntheticConfig,
    count: int,
    seed: int = 0,
    device: str = "cpu",
    workers: int = 0,
) -> Iterator[Path]:
    """Fill a folder with clips ``00000`` .. ``count - 1``; existing clips are kept.

    The ``.npz`` file of a clip is written last, when the clip is complete.  The same call therefore
    continues an interrupted run, and a call with a larger count adds clips.

    Args:
        folder: Created if it does not exist.
        config: What to make; the sides must be even, because of H.264.
        count: Number of clips in the folder afterwards.
        seed: The same seed gives the same clips.
        device: Of rendering.
        workers: Processes that make clips, each with one thread; 0 for this process alone.

    Yields:
        The ``.npz`` file of each existing clip, then of each new one when it is complete.

    Raises:
        InputError: `count` or `workers` is too small, a side is odd, the device cannot be used, or
            the folder holds clips with other settings.
        FileError: The folder cannot be written, or the textures cannot be read.

    Example:
        >>> from motes.synthetic import SyntheticConfig
        >>> from motes.synthetic.folder import generate
        >>> config = SyntheticConfig(frames=4, size=(32, 32), points=8, kind="layers")
        >>> [file.name for file in generate("generated", config, count=1)]
        ['00000.npz']
    """
    if count < 1 or workers < 0:
        got = f"{count} clips, {workers} workers"
        raise InputError(f"expected at least 1 clip and 0 workers, got {got}")
    if config.size[0] % 2 or config.size[1] % 2:
        raise InputError(f"size: expected even sides for .mp4, got {config.size}")
    clips = SyntheticClips(config, seed, device=device)
    folder = Path(folder)
    _check_settings(folder, {"seed": seed, **asdict(config)})
    files = [folder / f"{index:05d}.npz" for index in range(count)]
    missing = [i for i, file in enumerate(files) if not _complete(file)]
    yield from (file for file in files if _complete(file))
    context = "spawn" if workers else None  # a fork could inherit locks of the library's threads
    numbered = _Numbered(clips, missing)
    for index, sample in DataLoader(
        numbered,
        None,
        num_workers=workers,
        multiprocessing_context=context,
        worker_init_fn=partial(_start_worker, os.getpid()),
    ):
        if isinstance(sample, MotesError):
            raise sample
        write_clip(files[index], sample)
        yield files[index]


def _start_worker(parent: int, number: int) -> None:
    """Called in each worker, which then ends with the parent process, also if that is killed."""
    end_with_parent(parent)


def _complete(file: Path) -> bool:
    return file.exists() and file.with_suffix(".mp4").exists()


class _Numbered(Dataset[tuple[int, Sample | MotesError]]):
    """Some clips of a series with their numbers; errors are returned, not raised in a worker."""

    def __init__(self, clips: SyntheticClips, numbers: Sequence[int]) -> None:
        self.clips, self.numbers = clips, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[int, Sample | MotesError]:
        number = self.numbers[index]
        try:
            return number, self.clips[number]
        except MotesError as error:
            return number, error


def write_clip(file: Path, sample: Sample) -> None:
    """Write ``NAME.mp4`` and then, beside it, ``NAME.npz``.

    Args:
        file: Path of the ``.npz`` file.
        sample: One clip, without batch axis.

    Raises:
        FileError: It cannot be written; nothing is left half-written.
    """
    sample = sample.to("cpu")
    with open_writer(file.with_suffix(".mp4"), sample.size, FPS) as writer:
        for frame in sample.video.permute(0, 2, 3, 1).numpy():
            writer.write(np.ascontiguousarray(frame))
    arrays = {
        "points": pixels_to_raster(sample.xy.numpy(), sample.size).swapaxes(0, 1),
        "occluded": ~sample.visible.numpy().T,
    }
    if not sample.valid.all():
        arrays["annotated"] = sample.valid.numpy().T
    with replacing(file) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a folder, or check that they equal those in it."""
    text = json.dumps(settings, indent=2)
    file = folder / SETTINGS
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(file) as part:
                part.write_text(text + "\n")
            return
        before = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(f"{folder}: cannot be used for clips: {error}") from error
    if not isinstance(before, dict):
        raise FileError(f"{folder}: cannot be used for clips: expected settings in {SETTINGS}")
    now = json.loads(text)
    changed = [f"{k} {before.get(k)} -> {now[k]}" for k in now if before.get(k) != now[k]]
    if changed:
        raise InputError(f"{folder} holds clips of other settings: {', '.join(changed)}")
