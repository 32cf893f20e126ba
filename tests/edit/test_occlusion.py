"""A surface whose right half is covered; its points place the edge too far to the right."""

import cv2
import numpy as np
import pytest

from motes.edit.occlusion import visible_pixels
from motes.edit.surface import Surface
from motes.tracks import Tracks

SIZE = 96, 64
EDGE, POINTS_SAY = 48, 54


def texture(seed):
    noise = np.random.default_rng(seed).uniform(0, 255, (*SIZE[::-1], 3)).astype(np.float32)
    return (128 + 6 * (cv2.GaussianBlur(noise, (0, 0), 2) - 128)).clip(0, 255).astype(np.uint8)


def visible(reference, frame):
    grid = np.stack(np.meshgrid(np.arange(2, 94, 4), np.arange(2, 62, 4)), -1).reshape(-1, 1, 2)
    flags = np.ones((len(grid), 2), bool)
    flags[:, 1] = grid[:, 0, 0] < POINTS_SAY
    surface = Surface(Tracks(np.repeat(grid, 2, 1).astype(float), flags, size=SIZE), 0)
    window = slice(0, SIZE[1]), slice(0, SIZE[0])
    source = surface.source(1, window)
    return visible_pixels(surface, 1, source, frame, reference.astype(np.float32))


def edge_of(share):
    """Mean column at which a row stops being visible."""
    return (share > 0.5).sum(1).mean()


def covered(reference, cover):
    frame = reference.copy()
    frame[:, EDGE:] = cover[:, EDGE:]
    return frame


@pytest.mark.parametrize("gain", [1.0, 0.8])
def test_colours_give_the_edge_of_an_occluder(gain):
    frame = covered(texture(0), texture(1))
    share = visible(texture(0), (frame * gain).astype(np.uint8))
    assert edge_of(share) == pytest.approx(EDGE, abs=3)


def test_equal_texture_is_visible():
    assert visible(texture(0), texture(0)).mean() > 0.98


def test_with_equal_colours_visibility_follows_the_points():
    plain = np.full((*SIZE[::-1], 3), 90, np.uint8)
    assert edge_of(visible(plain, covered(plain, plain + 3))) == pytest.approx(POINTS_SAY, abs=3)
