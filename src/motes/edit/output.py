"""An edited video on disk: the frames of a video, changed, at its rate."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from motes.common.progress import Progress

if TYPE_CHECKING:
    from motes.video import Video


def write_video(
    source: Video, frames: Iterable[np.ndarray], out: str | PathLike[str], advance: Progress
) -> None:
    """Write frames at the size and rate of their source, whole or not at all.

    Args:
        source: The video that was edited.
        frames: uint8 ``[H, W, 3]``.
        out: The file, or a folder of images.
        advance: Called with 1 after each frame.

    Raises:
        FileError: It cannot be written.
    """
    from motes.video import open_writer

    with open_writer(out, source.size, source.fps, like=source) as writer:
        for frame in frames:
            writer.write(frame)
            advance(1)
