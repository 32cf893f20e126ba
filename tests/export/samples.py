"""The two inputs of the golden files."""

from fractions import Fraction

import numpy as np

from motes import Tracks

GOLDEN_S = Tracks(
    [
        [(10, 20), (10.5, 20.25), (11, 20.5), (12, 21), (13, 22)],
        [(639, 479), (600.25, 470), (-4, 100.125), (300.5, 0), (0, 0)],
    ],
    [[1, 1, 1, 0, 1], [1, 1, 0, 1, 1]],
    [[0.9, 0.8, 0.7, 0.1, 0.8], [0.95, 0.9, 0.2, 0.6, 0.5]],
    ids=[3, 8],
    size=(640, 480),
    fps=Fraction(25),
    start=7,
)
"""Starts late, a gap each, one position outside the picture, the outermost pixels."""

GOLDEN_Q = Tracks(
    [
        [(100, 100), (101, 102)],
        [(300, 110), (301, 112)],
        [(290, 250), (291, 252)],
        [(105, 240), (106, 242)],
    ],
    np.ones((4, 2)),
    size=(640, 480),
    fps=Fraction(25),
    start=7,
)
"""Four corners, clockwise from the top left."""
