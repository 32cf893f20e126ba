"""True regions of shots with known motion."""

import cv2
import numpy as np
import torch


def ellipse(size=(240, 180), centre=(120, 92), axes=(30, 22)):
    mask = np.zeros(size[::-1], np.uint8)
    return cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1).astype(bool)


def carried(scene, mask, at, t):
    """The pixels of frame t that show the part of the card in `mask` of frame `at`."""
    H, W = scene.size
    pixels = np.stack(np.meshgrid(np.arange(W), np.arange(H)), -1).reshape(1, -1, 2)
    times = torch.tensor([float(at), float(t)], dtype=torch.float64)
    points = scene.pick(times[1:], torch.tensor(pixels, dtype=torch.float64))
    x, y = np.rint(scene.locate(points, times[:1]).xy[0].numpy()).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < W) & (y < H) & (points.surface.numpy() == 1)
    return (inside & mask[y.clip(0, H - 1), x.clip(0, W - 1)]).reshape(H, W)


def painted(frame, mask, color=(255, 0, 255)):
    edited = frame.copy()
    edited[mask] = color
    return edited


def overlap(a, b):
    """Intersection over union of masks [T, H, W], all frames together."""
    return (np.array(a) & b).sum() / (np.array(a) | b).sum()
