"""The look ``labels``: points with their numbers, to tell which is which."""

from __future__ import annotations

from motes.render import trails
from motes.render.canvas import Canvas
from motes.render.scene import Look, Scene

SIZE = 0.022  # height of the type, relative to the video's shorter side


def draw(canvas: Canvas, scene: Scene, i: int) -> None:
    """Draw the trails of column `i`, and each visible point's id beside it."""
    trails.draw(canvas, scene, i)
    height = max(9.0, SIZE * min(scene.tracks.size))
    for n in scene.present(i, visible=True):
        x, y = scene.tracks.xy[n, i]
        beside = (x + 2.2 * scene.width, y + height / 3)
        canvas.text(str(scene.tracks.ids[n]), beside, height, scene.colors[n, i])


LOOK = Look("labels", "trails with the number of every point, to tell which is which", draw)
