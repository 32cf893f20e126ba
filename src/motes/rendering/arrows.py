"""The look ``arrows``: a line from the first position of each point to its current one."""

from __future__ import annotations

import numpy as np

from motes.rendering import dots
from motes.rendering.canvas import Canvas
from motes.rendering.scene import Look, Scene

ORIGIN_RADIUS = 0.6  # of the disc at the first position, in line widths
LINE_OPACITY = 0.75  # relative to the opacity of the point


def draw(canvas: Canvas, scene: Scene, i: int) -> None:
    """Draw a straight line from each visible point's first position, then the points."""
    n = scene.present(i, visible=True)
    first, current = scene.tracks.xy[n, scene.first_column[n]], scene.tracks.xy[n, i]
    color, alpha = scene.colors[n, i], np.full(len(n), LINE_OPACITY * scene.style.opacity)
    canvas.lines(first, current, np.full(len(n), 0.6 * scene.width), color, alpha)
    canvas.discs(first, np.full(len(n), ORIGIN_RADIUS * scene.width), color, alpha)
    dots.draw(canvas, scene, i)


LOOK = Look("arrows", "a straight line from the first position to the current one", draw)
