"""The look ``dots``: the current positions; hidden points are rings."""

from __future__ import annotations

import numpy as np

from motes.rendering.canvas import Canvas
from motes.rendering.scene import Look, Scene

# In widths of a trail.
RADIUS = 1.35  # of a visible point
RING_RADIUS = 1.5  # outer radius of a hidden point
RING_WIDTH = 0.4

MIN_OPACITY = 0.25  # of a point that has been hidden for long


def draw(canvas: Canvas, scene: Scene, i: int) -> None:
    """Draw the points of column `i`: discs where visible, rings where hidden."""
    if scene.style.hidden:
        _draw_hidden(canvas, scene, i)
    n = scene.present(i, visible=True)
    radius = np.full(len(n), RADIUS * scene.width)
    alpha = np.full(len(n), scene.style.opacity)
    canvas.discs(scene.tracks.xy[n, i], radius, scene.colors[n, i], alpha)


def _draw_hidden(canvas: Canvas, scene: Scene, i: int) -> None:
    n = scene.present(i, visible=False)
    hidden_for = (i - scene.last_visible[n, i]) / max(scene.style.tail, 1)
    alpha = scene.style.opacity * (1 - hidden_for).clip(MIN_OPACITY, 1)
    radius = np.full(len(n), (RING_RADIUS - RING_WIDTH / 2) * scene.width)
    canvas.rings(scene.tracks.xy[n, i], radius, RING_WIDTH * scene.width, scene.colors[n, i], alpha)


LOOK = Look("dots", "the current positions, without tails", draw)
