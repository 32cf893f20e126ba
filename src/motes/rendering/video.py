"""`render`: a video with its tracks drawn over it, written to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

import numpy as np

from motes.common.files import check_overwrites
from motes.errors import InputError
from motes.rendering.painter import Painter, check_same_size
from motes.rendering.style import Style
from motes.tracks import Tracks


def render(
    video: Any,
    tracks: Tracks,
    out: str | PathLike[str],
    *,
    style: Style | None = None,
    progress: Callable[[int], object] | None = None,
    **options: Any,
) -> None:
    """Draw tracks over their video and write the frames that the tracks cover.

    Args:
        video: Anything that `motes.open_video` takes.
        tracks: The tracks to draw.
        out: The file; its suffix chooses the format (.mp4, .gif, or a folder of images).
        style: How to draw; default: ``Style()``.
        progress: Called with 1 after each frame.
        **options: Fields of `Style`; short for ``style=Style(...)``.

    Raises:
        InputError: An option is unknown or out of range, the tracks are empty, or they were made
            on a video of another size or with other frames, or `out` is the video itself.
        FileError: The video cannot be read, or the file cannot be written.

    Example:
        >>> motes.render("bike.mp4", tracks, "bike_tracks.mp4", color="speed", background="mono")
        >>> len(motes.open_video("bike_tracks.mp4"))
        12
    """
    from motes.video import open_video, open_writer

    painter = Painter(tracks, make_style(style, options))
    if not tracks.num_frames:
        raise InputError("tracks: expected at least one frame to draw, got none")
    source = open_video(video, start=tracks.start, end=tracks.frames.stop)
    check_same_size(source.size, tracks)
    check_overwrites([out], source.files)
    with open_writer(out, painter.size, tracks.fps, like=source) as writer:
        for picture in pictures(source, painter):
            writer.write(picture)
            if progress:
                progress(1)


def pictures(frames: Any, painter: Painter) -> Iterator[np.ndarray]:
    """Draw the tracks over each of their frames.

    Args:
        frames: Yields uint8 ``[H, W, 3]`` for each frame of the tracks, in order.
        painter: Draws the tracks.

    Yields:
        uint8 ``[H', W', 3]``.

    Raises:
        InputError: There are fewer frames than the tracks cover.
    """
    expected = painter.scene.tracks.frames
    number = expected.start
    for number, frame in enumerate(frames, expected.start + 1):
        yield painter(frame, number - 1)
    if number != expected.stop:
        raise InputError(
            f"video: expected frames {expected.start}..{expected.stop - 1}, as the tracks have, "
            f"but it ends after {number} frames"
        )


def make_style(style: Style | None, options: dict[str, Any]) -> Style:
    """The style of the two ways to give one: a `Style`, or its fields.

    Raises:
        InputError: Both are given, or an option is not a field of `Style`.
    """
    known = list(Style.__dataclass_fields__)
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}; a style has {', '.join(known)}")
    if style is not None and options:
        raise InputError(f"expected either style= or single options, got both: {list(options)}")
    return style or Style(**options)
