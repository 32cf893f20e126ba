"""The look ``trails``: tails that get thinner and more transparent towards the past."""

from __future__ import annotations

from motes.rendering import dots
from motes.rendering.canvas import Canvas
from motes.rendering.scene import Look, Scene

END_WIDTH = 0.4  # of a tail, relative to its width at the current position


def draw(canvas: Canvas, scene: Scene, i: int) -> None:
    """Draw the tails of column `i`, then the points over them."""
    tail = scene.tail(i, scene.style.tail, step=0.75 / canvas.scale)
    width = scene.width * (END_WIDTH + (1 - END_WIDTH) * tail.recency)
    canvas.lines(tail.start, tail.end, width, tail.color, scene.style.opacity * tail.recency)
    dots.draw(canvas, scene, i)


LOOK = Look("trails", "the last positions of every point, as a fading tail", draw)
