"""The look ``dots``: only where the points are now; hidden ones hollow."""

from __future__ import annotations

import numpy as np

from motes.render.canvas import Canvas
from motes.render.scene import Look, Scene

RADIUS = 1.35  # of a visible point, in widths of its trail
RING = 1.5  # outer radius of a hidden one
LINE = 0.4  # width of its line
FAINTEST = 0.25  # opacity of a point that has been hidden for long


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
    unseen = (i - scene.last_seen[n, i]) / max(scene.style.tail, 1)
    alpha = scene.style.opacity * (1 - unseen).clip(FAINTEST, 1)
    radius = np.full(len(n), (RING - LINE / 2) * scene.width)
    canvas.rings(scene.tracks.xy[n, i], radius, LINE * scene.width, scene.colors[n, i], alpha)


LOOK = Look("dots", "where the points are now, without their past", draw)
