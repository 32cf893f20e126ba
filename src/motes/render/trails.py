"""The look ``trails``: tails that taper and fade behind the points."""

from __future__ import annotations

from motes.render import dots
from motes.render.canvas import Canvas
from motes.render.scene import Look, Scene

THINNEST = 0.4  # width of the end of a tail, relative to its head


def draw(canvas: Canvas, scene: Scene, i: int) -> None:
    """Draw the tails of column `i`, then the points over them."""
    tail = scene.tail(i, scene.style.tail, step=0.75 / canvas.scale)
    width = scene.width * (THINNEST + (1 - THINNEST) * tail.freshness)
    canvas.lines(tail.start, tail.end, width, tail.color, scene.style.opacity * tail.freshness)
    dots.draw(canvas, scene, i)


LOOK = Look("trails", "the last moments of every point, tapering and fading", draw)
