from collections.abc import Callable

import numpy as np
import pytest

from motes.tracks import Tracks


def _build(xy, visible=None, size=(64, 48), **fields) -> Tracks:
    """Tracks of points [N, T, 2]; all visible unless said otherwise."""
    xy = np.asarray(xy, np.float32)
    visible = np.ones(xy.shape[:2], bool) if visible is None else visible
    return Tracks(xy, visible, size=size, **fields)


@pytest.fixture
def build() -> Callable[..., Tracks]:
    return _build


@pytest.fixture
def moving() -> Tracks:
    """Six points that drift to the right over eight frames; one is hidden from frame 4 on."""
    t = np.arange(8)
    start = np.array([[8, 8], [24, 8], [40, 8], [8, 30], [24, 30], [40, 30]])
    xy = start[:, None] + np.stack([2.0 * t, 0.5 * t], -1)
    visible = np.ones((6, 8), bool)
    visible[2, 4:] = False
    return _build(xy, visible)
