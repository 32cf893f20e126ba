"""`Painter`: draws tracks over frames, one at a time."""

from __future__ import annotations

import numpy as np

from motes.errors import InputError
from motes.rendering.backgrounds import prepare
from motes.rendering.canvas import Canvas
from motes.rendering.scene import Scene, find_look
from motes.rendering.style import Style
from motes.tracks import Tracks


class Painter:
    """Draws tracks over single frames of their video, in any order.

    Args:
        tracks: The tracks to draw.
        style: How to draw them; default: ``Style()``.

    Raises:
        InputError: The style names an unknown look.

    Example:
        >>> from motes.rendering import Painter
        >>> painter = Painter(tracks)
        >>> painter(motes.open_video("bike.mp4")[3], 3).shape
        (72, 96, 3)
    """

    def __init__(self, tracks: Tracks, style: Style | None = None) -> None:
        self.scene = Scene(tracks, style or Style())
        self.look = find_look(self.scene.style.look)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        return Canvas(self.scene.tracks.size, self.scene.style.scale).size

    def __call__(self, frame: np.ndarray, number: int) -> np.ndarray:
        """Draw the tracks over one frame.

        Args:
            frame: uint8 ``[H, W, 3]``, RGB; it is not changed.
            number: Number of the frame in the video.  Outside the frames of the tracks, only the
                background is drawn.

        Returns:
            uint8 ``[H', W', 3]``: the picture, `Style.scale` times as large.

        Raises:
            InputError: The frame is not of the size that the tracks were made on.
        """
        tracks, style = self.scene.tracks, self.scene.style
        check_same_size(frame.shape[1::-1], tracks)
        canvas = Canvas(tracks.size, style.scale)
        if number in tracks.frames and tracks.num_points:
            self.look.draw(canvas, self.scene, number - tracks.start)
        return canvas.composite(prepare(frame, style.background))


def check_same_size(size: tuple[int, ...], tracks: Tracks) -> None:
    """Raise `InputError` unless `size` (W, H) is that of the video the tracks were made on."""
    if tuple(size) != tracks.size:
        (W, H), (w, h) = tracks.size, size
        raise InputError(f"video: expected {W}x{H} pixels, as the tracks have, got {w}x{h}")
