"""motes: track any point through any video.

import motes

tracker = motes.load()
tracks = tracker.track("bike.mp4", [(0, 120.0, 80.5)])
tracks.save("bike.csv")
motes.render("bike.mp4", tracks, "bike_tracks.mp4")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from motes.errors import FileError, InputError, MissingExtraError, MotesError
    from motes.queries import Queries
    from motes.rendering.video import render
    from motes.tracking.load import load
    from motes.tracking.tracker import Tracker
    from motes.tracks import Tracks
    from motes.video import open_video, open_writer

__all__ = [
    "FileError",
    "InputError",
    "MissingExtraError",
    "MotesError",
    "Queries",
    "Tracker",
    "Tracks",
    "__version__",
    "load",
    "open_video",
    "open_writer",
    "render",
]

_HOMES = {
    "FileError": "motes.errors",
    "InputError": "motes.errors",
    "MissingExtraError": "motes.errors",
    "MotesError": "motes.errors",
    "Queries": "motes.queries",
    "Tracker": "motes.tracking.tracker",
    "Tracks": "motes.tracks",
    "load": "motes.tracking.load",
    "open_video": "motes.video",
    "open_writer": "motes.video",
    "render": "motes.rendering.video",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import motes`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'motes' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
