"""Frames at which a person should look."""

import numpy as np
import pytest

from motes.web.doubts import find_doubts

T = 30
STEADY = np.stack([np.arange(T) * 1.0, np.zeros(T)], 1).astype(np.float32)
SEEN, CERTAIN = np.ones(T, bool), np.ones(T, np.float32)


def with_value(array, frames, value):
    changed = array.copy()
    changed[frames] = value
    return changed


JUMP = with_value(STEADY, slice(12, None), STEADY[12:] + np.float32([0, 40]))


@pytest.mark.parametrize(
    ("xy", "visible", "confidence", "expected"),
    [
        (STEADY, SEEN, CERTAIN, []),
        (STEADY[:1], SEEN[:1], CERTAIN[:1], []),
        (JUMP, SEEN, CERTAIN, [(12, "jump")]),
        (JUMP, with_value(SEEN, 12, False), CERTAIN, []),  # nobody saw it
        (STEADY * 9, SEEN, CERTAIN, []),  # fast, but evenly so
        (STEADY, SEEN, with_value(CERTAIN, slice(5, 9), 0.2), [(5, "low")]),
        (STEADY, ~SEEN, with_value(CERTAIN, slice(5, 9), 0.2), []),
        (JUMP, SEEN, with_value(CERTAIN, [3, 20], 0.4), [(3, "low"), (12, "jump"), (20, "low")]),
    ],
)
def test_doubts(xy, visible, confidence, expected):
    assert find_doubts(xy, visible, confidence) == expected
