"""The look ``arrows``: from where each point began to where it is."""

from __future__ import annotations

import numpy as np

from motes.render import dots
from motes.render.canvas import Canvas
from motes.render.scene import Look, Scene

ORIGIN = 0.6  # radius of the mark at the beginning, in widths of the line
QUIET = 0.75  # opacity of the line, relative to the point


def draw(canvas: Canvas, scene: Scene, i: int) -> None:
    """Draw a straight line from each visible point's first position, then the points."""
    n = scene.present(i, visible=True)
    origin, now = scene.tracks.xy[n, scene.begins[n]], scene.tracks.xy[n, i]
    color, alpha = scene.colors[n, i], np.full(len(n), QUIET * scene.style.opacity)
    canvas.lines(origin, now, np.full(len(n), 0.6 * scene.width), color, alpha)
    canvas.discs(origin, np.full(len(n), ORIGIN * scene.width), color, alpha)
    dots.draw(canvas, scene, i)


LOOK = Look("arrows", "a straight line from where each point began", draw)
