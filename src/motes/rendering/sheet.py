"""`plot`: a contact sheet of tracks, one picture for a whole clip.

Two large frames (first positions; complete paths), a row of six frames in between, and a chart of
the visibility of each point over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from motes.common.files import check_overwrites, replacing
from motes.errors import InputError
from motes.rendering import dots, trails
from motes.rendering.backgrounds import prepare
from motes.rendering.canvas import Canvas
from motes.rendering.painter import check_same_size
from motes.rendering.scene import Scene
from motes.rendering.style import Style
from motes.rendering.text import BOLD, REGULAR, draw_text, text_width
from motes.rendering.video import make_style
from motes.tracks import Tracks

SUFFIXES, JPEG_QUALITY = (".png", ".jpg"), 82
PAGE_COLOR, TEXT_COLOR, CAPTION_COLOR = (255, 255, 255), (28, 30, 34), (125, 129, 136)
BLANK_FRAME_COLOR = (38, 40, 45)
HIDDEN_COLOR = (240, 240, 238)  # in the chart
PANEL = (960, 860)  # largest size (W, H) of a large frame
MARGIN, GAP = 64, 20
SMALL_FRAMES = 6
CHART_HEIGHT = 150
TITLE_SIZE, TEXT_SIZE = 34, 20
PATH_START_OPACITY = 0.45  # relative to its end


def plot(
    video: Any,
    tracks: Tracks,
    out: str | PathLike[str],
    *,
    title: str | None = None,
    style: Style | None = None,
    **options: Any,
) -> None:
    """Make a contact sheet: key frames, the paths of the whole clip, and a chart of visibility.

    Args:
        video: Anything that `motes.open_video` takes; None: on a plain background.
        tracks: The tracks to draw.
        out: The file, ``.png`` or ``.jpg``.
        title: Heading; default: the name of the video.
        style: How to draw; `tail` and `scale` are not used.
        **options: Fields of `Style`, short for ``style=Style(...)``.

    Raises:
        InputError: An option or the suffix is unknown, the tracks are empty, or they were made on
            a video of another size or with other frames, or `out` is the video itself.
        FileError: The video cannot be read, or the file cannot be written.

    Example:
        >>> from motes.rendering import plot
        >>> plot("bike.mp4", tracks, "sheet.png", title="bike")
    """
    style = make_style(style, options)
    suffix = Path(out).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{out}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if not tracks.visible.size:
        raise InputError("tracks: expected at least one point and one frame, got none")
    footage = Footage.of(video, tracks)
    check_overwrites([out], footage.files)
    with replacing(out) as temporary:
        page = compose(footage, tracks, title, style)
        quality = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        temporary.write_bytes(cv2.imencode(suffix, page[..., ::-1], quality)[1].tobytes())


def compose(footage: Footage, tracks: Tracks, title: str | None, style: Style) -> np.ndarray:
    """The sheet as uint8 ``[H, W, 3]``; the arguments are those of `plot`."""
    page = _Page(Scene(tracks, style), footage)
    rows = [
        page.heading(title or footage.name),
        page.overview(),
        page.small_frames(),
        page.chart(),
    ]
    sheet = np.concatenate(rows)
    return np.pad(
        sheet, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=PAGE_COLOR[0]
    )


@dataclass(frozen=True)
class Footage:
    """Single frames of a video, or of a plain background where there is none."""

    name: str
    size: tuple[int, int]
    video: Any = None

    @classmethod
    def of(cls, video: Any, tracks: Tracks) -> Footage:
        """Open the video of the tracks, and check its size."""
        if video is None:
            return cls("Tracks", tracks.size)
        from motes.video import open_video

        opened = open_video(video, start=tracks.start, end=tracks.frames.stop)
        check_same_size(opened.size, tracks)
        return cls(opened.name, tracks.size, opened)

    @property
    def files(self) -> Sequence[Path]:
        """The local files of the video."""
        return () if self.video is None else self.video.files

    def frame(self, number: int) -> np.ndarray:
        """uint8 ``[H, W, 3]``."""
        if self.video is None:
            W, H = self.size
            return np.full((H, W, 3), BLANK_FRAME_COLOR, np.uint8)
        frames = self.video.read(number, number + 1)
        if not len(frames):
            raise InputError(
                f"video: expected a frame {number}, as the tracks have; it ends before"
            )
        return frames[0]


class _Page:
    """The rows of the sheet, all of the same width."""

    def __init__(self, scene: Scene, footage: Footage) -> None:
        self.scene, self.footage, self.tracks = scene, footage, scene.tracks
        W, H = self.tracks.size
        large = min(PANEL[0], PANEL[1] * W / H)
        self.small = max(1, round((2 * large - (SMALL_FRAMES - 2) * GAP) / SMALL_FRAMES))
        self.width = SMALL_FRAMES * self.small + (SMALL_FRAMES - 1) * GAP
        self.large = (self.width - GAP) // 2

    def heading(self, title: str) -> np.ndarray:
        """The title, and a line of facts: points, frames, size, frame rate."""
        t = self.tracks
        facts = (
            f"{t.num_points} points    frames {t.start}–{t.frames.stop - 1}    "
            f"{t.size[0]}×{t.size[1]}    {float(t.fps):.4g} fps"
        )
        row = self._blank(108)
        draw_text(row, title, (-1, 34), TITLE_SIZE, TEXT_COLOR, BOLD)
        draw_text(row, facts, (0, 74), TEXT_SIZE, CAPTION_COLOR)
        return row

    def overview(self) -> np.ndarray:
        """The first positions, and the paths of the whole clip."""
        first, last = int(np.median(self.scene.first_column)), self.tracks.num_frames - 1
        first = min(first, last)
        left = self._picture(first, self.large, 0)
        right = self._paths(last, self.large)
        captions = [(self._number(first), "start"), (self._number(last), "paths so far")]
        return self._row([left, right], captions)

    def small_frames(self) -> np.ndarray:
        """Frames at equal distances in time."""
        spaced = np.linspace(0, self.tracks.num_frames - 1, SMALL_FRAMES + 2)[1:-1]
        columns = np.unique(spaced.round().astype(int)).tolist()
        tail = max(4, self.tracks.num_frames // SMALL_FRAMES)
        pictures = [self._picture(i, self.small, tail) for i in columns]
        return self._row(pictures, [(self._number(i), self._seconds(i)) for i in columns])

    def chart(self) -> np.ndarray:
        """One line for each point, in its colour where it is visible; time runs to the right."""
        scene, T = self.scene, self.tracks.num_frames
        bars = np.where(
            self.tracks.visible[..., None], scene.colors, np.array(HIDDEN_COLOR, np.uint8)
        )
        order = np.argsort(_order_key(scene), kind="stable")
        row = self._blank(44 + CHART_HEIGHT + 44)
        draw_text(row, "visible", (0, 28), TEXT_SIZE, TEXT_COLOR, BOLD)
        share = f"{self.tracks.visible.mean():.0%} of all points in all frames"
        draw_text(
            row, share, (text_width("visible", TEXT_SIZE, BOLD) + 10, 28), TEXT_SIZE, CAPTION_COLOR
        )
        row[44 : 44 + CHART_HEIGHT] = _resize_chart(bars[order], (CHART_HEIGHT, self.width))
        for number in ticks(self.tracks.frames):
            self._tick(row, str(number), (number - self.tracks.start + 0.5) / T * self.width)
        return row

    def _tick(self, row: np.ndarray, label: str, x: float) -> None:
        below, wide = 44 + CHART_HEIGHT, text_width(label, TEXT_SIZE)
        row[below : below + 7, int(x) : int(x) + 2] = CAPTION_COLOR
        left = min(max(0, x - wide / 2), self.width - wide)
        draw_text(row, label, (left, below + 32), TEXT_SIZE, CAPTION_COLOR)

    def _picture(self, i: int, width: int, tail: int) -> np.ndarray:
        scene, canvas, frame = self._prepare(i, width, tail)
        trails.draw(canvas, scene, i)
        return canvas.composite(prepare(frame, scene.style.background))

    def _paths(self, i: int, width: int) -> np.ndarray:
        scene, canvas, frame = self._prepare(i, width, i + 1)
        paths = scene.tail(i, i + 1, step=0.75 / canvas.scale, budget=100_000)
        alpha = PATH_START_OPACITY + (1 - PATH_START_OPACITY) * paths.recency
        line = np.full(len(alpha), 0.7 * scene.width)
        canvas.lines(paths.start, paths.end, line, paths.color, alpha * scene.style.opacity)
        dots.draw(canvas, replace(scene, style=replace(scene.style, hidden=False)), i)
        return canvas.composite(prepare(frame, "mono"))

    def _prepare(self, i: int, width: int, tail: int) -> tuple[Scene, Canvas, np.ndarray]:
        scale = width / self.tracks.size[0]
        line = self.scene.style.width or (1.0 + width / 700) / scale
        style = replace(self.scene.style, tail=tail, width=line)
        frame = self.footage.frame(self.tracks.start + i)
        return Scene(self.tracks, style), Canvas(self.tracks.size, scale), frame

    def _row(self, pictures: list[np.ndarray], captions: list[tuple[str, str]]) -> np.ndarray:
        height, width = pictures[0].shape[:2]
        row = self._blank(height + 60)
        for k, (picture, (head, rest)) in enumerate(zip(pictures, captions, strict=True)):
            x = k * (width + GAP)
            row[:height, x : x + width] = picture
            draw_text(row, head, (x, height + 28), TEXT_SIZE, TEXT_COLOR, BOLD)
            after = x + text_width(head, TEXT_SIZE, BOLD) + 10
            draw_text(row, rest, (after, height + 28), TEXT_SIZE, CAPTION_COLOR, REGULAR)
        return row

    def _blank(self, height: int) -> np.ndarray:
        return np.full((height, self.width, 3), PAGE_COLOR, np.uint8)

    def _number(self, i: int) -> str:
        return str(self.tracks.start + i)

    def _seconds(self, i: int) -> str:
        return f"{float((self.tracks.start + i) / self.tracks.fps):.2f} s"


def ticks(frames: range) -> list[int]:
    """Round numbers among the frames, at most eight: steps are 1, 2 or 5 times a power of ten."""
    steps = (k * 10**e for e in range(12) for k in (1, 2, 5))
    step = next(s for s in steps if len(frames) <= 8 * s)
    return [number for number in frames if number % step == 0]


def _order_key(scene: Scene) -> np.ndarray:
    """First positions along the longer axis, ``[N]``: the order of the colours in `by_position`."""
    tracks = scene.tracks
    columns = scene.first_column.clip(0, tracks.num_frames - 1)
    first = tracks.xy[np.arange(tracks.num_points), columns]
    return first[:, np.ptp(first, axis=0).argmax()]


def _resize_chart(bars: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize ``[N, T, 3]`` to `shape` (rows, columns): area average, or nearest where it grows."""
    N, T = bars.shape[:2]
    rows, columns = (size * -(-want // size) for size, want in zip((N, T), shape, strict=True))
    repeated = np.repeat(np.repeat(bars, rows // N, 0), columns // T, 1)
    return cv2.resize(repeated, shape[::-1], interpolation=cv2.INTER_AREA)
