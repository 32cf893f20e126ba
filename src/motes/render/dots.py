"""The look ``dots``: only where the points are now; hidden ones hollow."""

from __future__ import annotations

import numpy as np

from motes.render.canvas import Canvas
from motes.render.scene import Look, Scene

RADIUS = 1.35  # of a point, in widths of its trail
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
    line = 0.45 * scene.width
    radius = np.full(len(n), RADIUS * scene.width - line / 2)
    canvas.rings(scene.tracks.xy[n, i], radius, line, scene.colors[n, i], alpha)


LOOK = Look("dots", "where the points are now, without their past", draw)
