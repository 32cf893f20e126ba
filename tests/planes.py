"""Textured planes that move, and points on them."""

import math
from os import getpid
from threading import Barrier

import cv2
import numpy as np
import torch

from motes.features import flow_fields
from motes.features.flow_fields import FlowFields, frame_hashes


def texture(H, W, seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (H // 6, W // 6), np.uint8)
    return cv2.resize(noise, (W, H), interpolation=cv2.INTER_CUBIC)


def moving(T=5, step=(2, 1), H=72, W=96):
    """A textured plane that moves by whole pixels, uint8 ``[1, T, H, W]``."""
    plane = texture(2 * H, 2 * W)
    corners = [(40 - step[0] * t, 30 - step[1] * t) for t in range(T)]
    return torch.from_numpy(np.stack([plane[y : y + H, x : x + W] for x, y in corners]))[None]


def fields(frames, deltas=(1, 2, 4), cache=None):
    return FlowFields(frames, frame_hashes(frames), deltas, cache)


def known(T, *points):
    """Queries (t, x, y) as positions and errors of a window."""
    xy = torch.tensor([[p[1:]] * T for p in points], dtype=torch.float32)[None]
    error = torch.full(xy.shape[:3], math.inf)
    for n, (t, *_) in enumerate(points):
        error[0, n, t] = 0
    return xy, error


def finish_ahead():
    """Wait for the threads that compute flow ahead: both take part in a barrier, at the end."""
    workers, end = flow_fields._workers("ahead", getpid()), Barrier(3)
    waiting = [workers.submit(end.wait, 30) for _ in range(2)]
    end.wait(30)
    assert all(task.result() is not None for task in waiting)
