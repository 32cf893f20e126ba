"""The look ``labels``: trails, and the id of every visible point."""

from __future__ import annotations

from motes.rendering import trails
from motes.rendering.canvas import Canvas
from motes.rendering.scene import Look, Scene

TEXT_SIZE = 0.022  # font size, relative to the shorter side of the video


def draw(canvas: Canvas, scene: Scene, i: int) -> None:
    """Draw the trails of column `i`, and each visible point's id beside it."""
    trails.draw(canvas, scene, i)
    height = max(9.0, TEXT_SIZE * min(scene.tracks.size))
    for n in scene.present(i, visible=True):
        x, y = scene.tracks.xy[n, i]
        beside = (x + 2.2 * scene.width, y + height / 3)
        canvas.text(str(scene.tracks.ids[n]), beside, height, scene.colors[n, i])


LOOK = Look("labels", "trails, and the id of every visible point", draw)
