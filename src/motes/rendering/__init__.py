"""Pictures of tracks: videos, single frames and contact sheets.

A look is a plug-in: one file of this package that declares a `Look`.
"""

from motes.rendering.painter import Painter
from motes.rendering.scene import Look, looks
from motes.rendering.sheet import plot
from motes.rendering.style import Style
from motes.rendering.video import render

__all__ = ["Look", "Painter", "Style", "looks", "plot", "render"]
