"""Pseudo-labels: real video without ground truth, labelled by existing trackers ("teachers").

"CoTracker3" (arXiv 2410.11831, section 3.3): teachers track points that are easy to recognise, and
the student learns from their tracks.  With several teachers per clip, only frames on which they
agree are used.  Labels are made during training, so that every step sees another clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch

from motes.common.registry import suggest
from motes.coordinates import Resize
from motes.data.augment import Augmentation, random_frames
from motes.data.sample import Sample
from motes.errors import FileError, InputError
from motes.tracking.load import load, presets
from motes.tracking.tracker import Tracker
from motes.tracks import Tracks
from motes.train.config import Stage
from motes.video import open_video

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".gif")
DETECTORS = ("sift", "corners")


@dataclass(frozen=True)
class PseudoOptions:
    """Settings of the source ``pseudo``.

    Attributes:
        teachers: Names of models, each ``NAME`` or ``NAME=WEIGHTS``.
        per_clip: Number of teachers that label a clip, drawn at random for each clip; 0: all.
        agree: With several teachers, a frame is used where all are within this distance in pixels
            of their median, and agree on visibility.
        detector: Detector of the query points: ``sift`` or ``corners``.
        query_frames: Number of random frames of the first quarter with queries.
        max_stride: Largest step between the frames of a clip.
        iterations: Refinements of iterative teachers; None: their default.
    """

    teachers: tuple[str, ...] = ("cotracker2.1", "cotracker3-online", "cotracker3-offline")
    per_clip: int = 1
    agree: float = 3.0
    detector: str = "sift"
    query_frames: int = 8
    max_stride: int = 4
    iterations: int | None = None

    def __post_init__(self) -> None:
        if not self.teachers:
            raise InputError("pseudo: expected at least one teacher, got none")
        if self.detector not in DETECTORS:
            raise suggest(self.detector, DETECTORS, "detector")


@dataclass(frozen=True)
class PseudoLabels:
    """Stretches of real videos with the tracks of teachers.

    Attributes:
        videos: Files of the videos.
        options: Settings of the labels.
        device: Device of the teachers.
        augment: Augmentation of a clip, after it is labelled.
    """

    videos: tuple[Path, ...]
    options: PseudoOptions
    device: str
    augment: Augmentation

    @cached_property
    def teachers(self) -> list[Tracker]:
        """The trackers, loaded when first needed."""
        pairs = (text.partition("=") for text in self.options.teachers)
        return [
            load(name, weights=file or None, device=self.device, dtype="float32")
            for name, _, file in pairs
        ]

    def draw(self, generator: torch.Generator, stage: Stage) -> Sample:
        """A labelled stretch of one of the videos; see `Source`."""
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        path = self.videos[rng.integers(len(self.videos))]
        video = crop(read_stretch(path, stage.frames, rng, self.options.max_stride), stage, rng)
        queries = find_queries(video, stage.points, rng, self.options)
        labels = [self._label(teacher, video, queries) for teacher in self._chosen(rng)]
        sample = merge(video, labels, self.options.agree, rng)
        return replace(self.augment, crop=None, reverse=0.0)(sample, rng)

    def _chosen(self, rng: np.random.Generator) -> list[Tracker]:
        count = self.options.per_clip or len(self.teachers)
        return [self.teachers[i] for i in rng.permutation(len(self.teachers))[:count]]

    def _label(self, teacher: Tracker, video: np.ndarray, queries: np.ndarray) -> Tracks:
        return teacher.track(video, queries, iterations=self._iterations(teacher))

    def _iterations(self, teacher: Tracker) -> int | None:
        return self.options.iterations if teacher.model.iterations is not None else None


def pseudo_source(
    path: str | Path, options: PseudoOptions, device: str, augment: Augmentation
) -> PseudoLabels:
    """Find the videos below a folder.

    Raises:
        InputError: A teacher is unknown.
        FileError: The folder does not exist, or holds no video.
    """
    known, folder = presets(), Path(path)
    for teacher in options.teachers:
        if (name := teacher.partition("=")[0]) not in known:
            raise suggest(name, known, "teacher")
    videos = tuple(sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES))
    if not videos:
        raise FileError(f"{folder}: expected videos ({', '.join(SUFFIXES)}), found none")
    return PseudoLabels(videos, options, device, augment)


def read_stretch(path: Path, length: int, rng: np.random.Generator, max_stride: int) -> np.ndarray:
    """Read `length` frames, uint8 ``[T, H, W, 3]``, with a random start and stride.

    A video that is too short is continued by its time reversal, as in the paper.

    Raises:
        FileError: The video cannot be read, or has fewer than two frames.
    """
    video = open_video(path)
    total = video.num_frames or sum(1 for _ in video)
    if total < 2:
        raise FileError(f"{path}: expected at least 2 frames, got {total}")
    if total < length:
        frames = video.read(0, total)
        back_and_forth = [*range(total), *range(total - 2, 0, -1)]
        return frames[np.resize(back_and_forth, length)]
    frames_wanted = random_frames(total, length, rng, max_stride)
    frames = video.read(frames_wanted.start, frames_wanted[-1] + 1)[:: frames_wanted.step]
    if len(frames) != length:
        raise FileError(f"{path}: announces {total} frames, but ends earlier")
    return frames


def crop(video: np.ndarray, stage: Stage, rng: np.random.Generator) -> np.ndarray:
    """Cut a window of the stage's size out of ``[T, H, W, 3]``; smaller videos are enlarged."""
    (h, w), (H, W) = video.shape[1:3], stage.size
    scale = max(H / h, W / w)
    if scale > 1:
        size = max(W, round(w * scale)), max(H, round(h * scale))
        frames = torch.from_numpy(video).permute(0, 3, 1, 2).float()
        larger = Resize((w, h), size).frames(frames).round().clamp(0, 255).to(torch.uint8)
        video = larger.permute(0, 2, 3, 1).numpy()
    top = rng.integers(video.shape[1] - H + 1)
    left = rng.integers(video.shape[2] - W + 1)
    return np.ascontiguousarray(video[:, top : top + H, left : left + W])


def find_queries(
    video: np.ndarray, count: int, rng: np.random.Generator, options: PseudoOptions
) -> np.ndarray:
    """Points that are easy to recognise, in random frames of the first quarter.

    Returns:
        float32 ``[count, 3]`` (t, x, y).  If there are fewer points, some are repeated.

    Raises:
        InputError: There are no such points.
    """
    quarter = max(1, len(video) // 4)
    times = rng.integers(quarter, size=min(options.query_frames, count))
    each = -(-count // len(times))
    parts = []
    for t in times:
        xy = detect(video[t], each, options.detector)
        parts.append(np.column_stack([np.full(len(xy), t), xy]))
    queries = np.concatenate(parts)
    if not len(queries):
        raise InputError("pseudo-labels: nothing to recognise in the frames that were drawn")
    order = rng.permutation(len(queries))
    return queries[np.resize(order, count)].astype(np.float32)


def detect(frame: np.ndarray, count: int, detector: str) -> np.ndarray:
    """At most `count` keypoints ``[n, 2]`` (x, y) of a frame, at whole pixels."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    if detector == "sift":
        points = cv2.SIFT_create(nfeatures=count).detect(grey, None)  # type: ignore[attr-defined]
        xy = np.array([point.pt for point in points[:count]], np.float32)
    else:
        corners = cv2.goodFeaturesToTrack(grey, count, 0.01, 3)
        xy = np.zeros((0, 2), np.float32) if corners is None else np.asarray(corners, np.float32)
    H, W = grey.shape
    return np.rint(xy.reshape(-1, 2)).clip(0, (W - 1, H - 1))


def merge(
    video: np.ndarray, labels: Sequence[Tracks], agree: float, rng: np.random.Generator
) -> Sample:
    """Make a training sample from the labels of one or several teachers.

    Positions are those of one teacher, drawn at random, from each query on.  A frame is valid where
    all teachers are within `agree` pixels of their median and agree on visibility.

    Args:
        video: uint8 ``[T, H, W, 3]``.
        labels: Tracks of the same N queries.
        agree: Tolerance in pixels.
        rng: Draws the teacher.
    """
    xy = np.stack([tracks.xy for tracks in labels])  # [K, N, T, 2]
    visible = np.stack([tracks.visible for tracks in labels])
    spread = np.linalg.norm(xy - np.median(xy, 0), axis=-1).max(0)
    same = (visible == visible[0]).all(0)
    tracked = np.arange(len(video)) >= labels[0].queries[:, :1]
    valid = (spread <= agree) & same & tracked  # one teacher always agrees with itself
    chosen = rng.integers(len(labels))
    return Sample(
        torch.from_numpy(video).permute(0, 3, 1, 2).contiguous(),
        torch.tensor(xy[chosen].swapaxes(0, 1)),
        torch.tensor((visible[chosen] & valid).T),
        torch.tensor(valid.T),
    )
