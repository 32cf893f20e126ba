"""The features of a video: encoded when first needed, kept in memory or, when large, on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from motes.common.packing import pack, save, unpack
from motes.common.temporary import temporary_folder
from motes.errors import InputError
from motes.models.base import Features
from motes.video import Video
from motes.video.ahead import frames_ahead, read_ahead

CHUNK = 8
"""Frames that are read and encoded at a time."""


class EncodedVideo:
    """Features of consecutive chunks of frames.

    Attributes:
        video: Whose frames they are.
        num_frames: Number of frames, as counted in the first pass, because the metadata of a video
            may be wrong or missing.  None before the first pass.
    """

    def __init__(
        self,
        video: Video,
        encode: Callable[[Iterator[Any]], Features],
        kept_bytes: int | None,
        resized: Callable[[np.ndarray], Any] = np.asarray,
    ) -> None:
        """Prepare to encode.

        Args:
            video: Whose frames.
            encode: Features of what `resized` gives, for frames that are read one by one.
            kept_bytes: Bytes of features that may stay in memory; more go to a temporary folder.
                None keeps nothing: memory is flat, and frames are encoded again in every pass.
            resized: From a uint8 frame ``[H, W, 3]`` to what `encode` takes; in a forward pass it
                runs ahead, in the thread that decodes.
        """
        self.video = video
        self.num_frames: int | None = None
        self._encode, self._resized = encode, resized
        self._lock = RLock()
        self._store = None if kept_bytes is None else _Store(kept_bytes)
        if self._store is not None and video.num_frames is None:
            video.read(video.start, video.start)  # makes an iterator keep its frames

    def forward(self) -> Iterator[Features]:
        """Chunks in order of time."""
        kept = len(self._store) if self._store is not None else 0
        if self.num_frames is not None and kept * CHUNK >= self.num_frames:
            return (self._chunk(k) for k in range(kept))
        return self._read_forward()

    def forward_from(self, first: int) -> Iterator[Features]:
        """Chunks in order of time, from frame `first` (counted from 0) of a video of known length.

        Raises:
            InputError: The video ends before the frame.
        """
        length = self.num_frames or self.video.num_frames or 0
        if first >= length:
            raise InputError(f"{self.video.name}: expected a frame before {length}, got {first}")
        for k in range(first // CHUNK, -(-length // CHUNK)):
            yield self._chunk(k)[max(first - k * CHUNK, 0) :]

    def backward(self, last: int) -> Iterator[Features]:
        """Chunks in which time runs back, from frame `last` (counted from 0) to the first."""
        for k in range(last // CHUNK, -1, -1):
            yield self._chunk(k)[: last + 1 - k * CHUNK].reversed()

    def _read_forward(self) -> Iterator[Features]:
        count = frames_ahead(self.video.size)
        frames, length = read_ahead(map(self._resized, self.video), count), 0
        for frame in frames:
            chunk = chain([frame], islice(frames, CHUNK - 1))
            features = self._chunk(length // CHUNK, chunk)
            deque(chunk, maxlen=0)  # what was encoded before is passed over
            length += len(features)
            yield features
        self.num_frames = length
        if not length:
            raise InputError(f"{self.video.name}: expected at least one frame, got none")

    def _chunk(self, k: int, frames: Iterator[Any] | None = None) -> Features:
        """Chunk k, from the store or by encoding its frames; one thread at a time."""
        with self._lock:
            return self._encoded_chunk(k, frames)

    def _encoded_chunk(self, k: int, frames: Iterator[Any] | None) -> Features:
        if self._store is not None and k in self._store:
            return self._store.get(k)
        features = self._encode(self._frames(k) if frames is None else frames)
        if self._store is not None:
            self._store.put(k, features)
        return features

    def _frames(self, k: int) -> Iterator[Any]:
        """The frames of chunk k, read one by one, and resized."""
        first = self.video.start + k * CHUNK
        for number in range(first, first + CHUNK):
            yield from map(self._resized, self.video.read(number, number + 1))


class _Spilled(NamedTuple):
    """Features in a file."""

    path: Path
    kind: type[Features]


class _Store:
    """Chunks by number: in memory while they fit, then in a temporary folder."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._kept: dict[int, Features | _Spilled] = {}
        self._folder: TemporaryDirectory[str] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, k: int) -> bool:
        return k in self._kept

    def put(self, k: int, features: Features) -> None:
        if features.nbytes <= self._room:
            self._room -= features.nbytes
            self._kept[k] = features
        else:
            self._kept[k] = self._spill(k, features)

    def get(self, k: int) -> Features:
        chunk = self._kept[k]
        if isinstance(chunk, Features):
            return chunk
        content = torch.load(chunk.path, weights_only=True, mmap=True)
        return unpack(content, [chunk.kind])

    def _spill(self, k: int, features: Features) -> _Spilled:
        if self._folder is None:
            self._folder = temporary_folder("features")
        path = Path(self._folder.name) / f"{k}.pt"
        save(pack(features.map(Tensor.clone)), path)  # clones: not the whole storage of a view
        return _Spilled(path, type(features))
