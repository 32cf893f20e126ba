"""Shots with known motion, rendered once for all tests of editing."""

import numpy as np
import pytest
import torch

import motes
from motes.synthetic.shots import film, moving_card, shaking_camera


@pytest.fixture(scope="session")
def tracker():
    return motes.load("lk")


@pytest.fixture(scope="session")
def shaky():
    """A scene and its 16 frames."""
    scene = shaking_camera((240, 180))
    return scene, film(scene, 16, samples=1)


@pytest.fixture(scope="session", params=["slide", "turn", "bend"])
def card(request):
    """A scene with a card (surface 1), and its 12 frames."""
    scene = moving_card(request.param, (240, 180))
    return scene, film(scene, 12, samples=1)


@pytest.fixture(scope="session")
def turning():
    """A scene with a card (surface 1) that turns, and its 12 frames."""
    scene = moving_card("turn", (240, 180))
    return scene, film(scene, 12, samples=1)


@pytest.fixture(scope="session")
def masks():
    """The pixels of a frame that show a surface, bool [H, W]."""

    def build(scene, at, surface=1):
        H, W = scene.size
        y, x = np.mgrid[:H, :W]
        xy = torch.tensor(np.stack([x, y], -1).reshape(1, -1, 2), dtype=torch.float64)
        found = scene.pick(torch.tensor([float(at)], dtype=torch.float64), xy)
        return (found.surface.numpy() == surface).reshape(H, W)

    return build
