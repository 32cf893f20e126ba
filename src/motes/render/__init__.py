"""Pictures of tracks.  The package is also its main function: ``motes.render(video, tracks, out)``.

A look is one file of this package that declares a `Look`; it is found by name.
"""

import sys
from types import ModuleType
from typing import Any

from motes.render.painter import Painter
from motes.render.scene import Look, looks
from motes.render.sheet import plot
from motes.render.style import Style
from motes.render.video import render

__all__ = ["Look", "Painter", "Style", "looks", "plot", "render"]


class _CallablePackage(ModuleType):
    """Keeps ``motes.render`` one name: callable, whichever of its modules is imported first."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        render(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
