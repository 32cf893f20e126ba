"""`Style`: the options of a drawing."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from motes.common.registry import suggest
from motes.errors import InputError
from motes.rendering.backgrounds import BACKGROUNDS
from motes.rendering.colors import parse_scheme


@dataclass(frozen=True)
class Style:
    """How tracks are drawn.

    Attributes:
        look: Name of a look: see `motes.rendering.looks`.
        color: A key of `motes.rendering.colors.SCHEMES`, or one colour for all points as
            ``"#rrggbb"``.
        tail: Length of the tail in frames; 0 draws none.
        width: Width of a trail at the current position, in pixels of the video; None: by its size.
        opacity: Opacity of everything that is drawn, in (0, 1].
        background: One of `BACKGROUNDS`.
        hidden: Whether hidden points are drawn, as rings.
        scale: Size of the picture relative to the video.  At 2, small videos get
            finer trails.

    Raises:
        InputError: A value is unknown or out of its range.

    Example:
        >>> from motes.rendering import Style
        >>> style = Style(color="speed", tail=10, background="mono")
        >>> motes.render("bike.mp4", tracks, "styled.gif", style=style)
    """

    look: str = "trails"
    color: str = "position"
    tail: int = 20
    width: float | None = None
    opacity: float = 1.0
    background: str = "normal"
    hidden: bool = True
    scale: float = 1.0

    def __post_init__(self) -> None:
        parse_scheme(self.color)
        if self.background not in BACKGROUNDS:
            raise suggest(self.background, BACKGROUNDS, "background")
        if self.tail < 0:
            raise InputError(f"tail: expected 0 or more frames, got {self.tail}")
        if self.width is not None and not 0 < self.width <= 100:
            raise InputError(f"width: expected pixels in (0, 100], got {self.width:g}")
        if not 0 < self.opacity <= 1:
            raise InputError(f"opacity: expected a value in (0, 1], got {self.opacity:g}")
        if not 0.05 <= self.scale <= 8:
            raise InputError(f"scale: expected a factor in [0.05, 8], got {self.scale:g}")

    def width_on(self, size: tuple[int, int]) -> float:
        """Width of a trail on a video of `size` (W, H): 2 pixels at 640x480, growing slowly."""
        return self.width or 2.0 * sqrt(sqrt(size[0] * size[1] / (640 * 480)))
