"""``.tapvid.npz``: points and occlusions as TAP-Vid and the clips of motes hold them.

Beside a video of the same name this is a clip for ``motes eval clips`` and ``motes train``.
"""

import zipfile
from pathlib import Path

import numpy as np

from motes.common.values import shortest
from motes.coordinates import pixels_to_raster, raster_to_pixels
from motes.errors import InputError
from motes.export.base import KEEP, Footage, Format, Settings
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write ``points`` float32 ``[N, T, 2]``, x/W and y/H, and ``occluded`` bool ``[N, T]``."""
    points = pixels_to_raster(shortest(tracks.xy), tracks.size)
    np.savez_compressed(path, points=points, occluded=~tracks.visible)


def read(path: Path, footage: Footage) -> Tracks:
    """Read points; their first frame is frame 0.

    Raises:
        InputError: It is something else.
    """
    size, fps = footage.require()
    try:
        with np.load(path, allow_pickle=False) as archive:
            points, occluded = archive["points"], archive["occluded"]
            xy = raster_to_pixels(points, size)
    except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"expected the arrays points and occluded; {error}") from None
    return Tracks(xy, ~occluded.astype(bool), size=size, fps=fps)


TAPVID = Format(
    ".tapvid.npz",
    "TAP-Vid points and occlusions (float32 raster, frames from 0)",
    write,
    read,
    hidden=(KEEP,),
)
