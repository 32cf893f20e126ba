"""Clips in our format with simple true tracks, and a tracker that tracks points jointly."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import torch

from motes import data
from motes.models.base import FeatureMaps, PointModel, Prediction, Schedule, State
from motes.models.preset import Preset
from motes.tracking.tracker import Tracker
from motes.video import open_writer

SHIFT = (1.5, -1.0)


@pytest.fixture(autouse=True)
def one_thread():
    """These models are tiny: threads make them slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def write_clip():
    """Write a textured plane that moves by `SHIFT` per frame, with points on it."""

    def write_clip(folder, name, T=8, N=6, size=(128, 96), occluded=None, seed=0):
        (W, H), margin = size, 20
        rng = np.random.default_rng(seed)
        noise = rng.integers(0, 255, (H // 6, W // 6, 3), np.uint8)
        big = (W + 2 * margin, H + 2 * margin)
        plane = cv2.resize(noise, big, interpolation=cv2.INTER_CUBIC)
        with open_writer(folder / f"{name}.mp4", size, 25) as writer:
            for t in range(T):
                x, y = margin - SHIFT[0] * t, margin - SHIFT[1] * t
                shift = np.array([[1, 0, x], [0, 1, y]])
                flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
                writer.write(cv2.warpAffine(plane, shift, size, flags=flags))
        start = rng.uniform([20, 20], [W - 36, H - 20], (N, 1, 2))
        xy = start + np.arange(T)[:, None] * SHIFT
        hidden = np.zeros((N, T), bool) if occluded is None else occluded
        points = ((xy + 0.5) / [W, H]).astype(np.float32)
        np.savez(folder / f"{name}.npz", points=points, occluded=hidden)

    return write_clip


@pytest.fixture
def one_clip(tmp_path, write_clip):
    """The clip that `write_clip` makes."""

    def one_clip(**options):
        write_clip(tmp_path, "one", **options)
        (clip,) = data.load("clips", tmp_path).each(lambda clip: clip)
        return clip

    return one_clip


@dataclass(frozen=True)
class Nothing(State):
    count: torch.Tensor


class Herd(PointModel):
    """Every point moves towards the mean of all points: a joint model."""

    joint = True

    def __init__(self, window=4):
        super().__init__()
        self.schedule = Schedule(window, 2, final=2)
        self.seen, self.encoded = [], 0

    def encode(self, video):
        self.encoded += video.shape[1]
        return FeatureMaps((video.mean((3, 4), keepdim=True),))

    def start(self, queries, num_frames=None, schedule=None):
        self.seen.append(queries.clone())
        return Nothing(torch.zeros(queries.shape[:2]))

    def advance(self, state, features, queries, start, iterations=None, cache=None):
        B, N, _ = queries.shape
        T = len(features)
        xy = queries[..., 1:]
        xy = 0.9 * xy + 0.1 * xy.mean(1, keepdim=True)
        sure = torch.full((B, T, N), 0.8)
        return Prediction(xy[:, None].expand(B, T, N, 2), sure, sure), state


@pytest.fixture
def herd():
    def herd(window=4, **preset):
        return Tracker(Herd(window), Preset("herd", "for tests", lambda config: Herd(), **preset))

    return herd
