"""Videos whose frames show their number as black and white bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

BITS = 8
NTSC = Fraction(30000, 1001)


def draw(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    W, H = size
    bits = [255 * (number >> (BITS - 1 - x * BITS // W) & 1) for x in range(W)]
    row = np.array(bits, np.uint8)[None, :, None]
    return np.ascontiguousarray(np.broadcast_to(row, (H, W, 3)))


def recognise(frame: np.ndarray) -> int:
    W = frame.shape[1]
    centres = [int((b + 0.5) * W / BITS) for b in range(BITS)]
    bits = frame[frame.shape[0] // 2, centres].mean(1) > 127
    return int("".join(str(int(bit)) for bit in bits), 2)


def encode_to(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str = "libx264",
    *,
    fps: Fraction | int = NTSC,
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    rotation: int | None = None,
    container: dict[str, str] | None = None,
    **options: Any,
) -> Path:
    H, W = frames[0].shape[:2]
    with av.open(str(path), "w", options=container or {}) as out:
        names = {key.replace("_", "-"): str(value) for key, value in options.items()}
        stream = out.add_stream(codec, rate=fps, options=names)
        stream.width, stream.height, stream.pix_fmt = W, H, pixels
        tick = Fraction(1, 1000) if times is not None else 1 / Fraction(fps)
        stream.time_base = stream.codec_context.time_base = tick
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, frame in enumerate(frames):
            layout = "rgba" if frame.shape[2] == 4 else "rgb24"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=layout)
            picture.pts = number if times is None else times[number]
            picture.time_base = tick
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


@pytest.fixture
def numbered() -> Callable[..., np.ndarray]:
    """``numbered(number, size=(64, 48))``: a frame with its number in binary, one bar per bit."""
    return draw


@pytest.fixture
def number_of() -> Callable[[np.ndarray], int]:
    """The number in a frame of `numbered`, also after lossy compression."""
    return recognise


@pytest.fixture
def encode(tmp_path: Path) -> Callable[..., Path]:
    """``encode(name, frames, codec="libx264", **options)`` -> path.

    `times` are milliseconds, for a variable frame rate; other options go to the codec.
    """
    return lambda name, frames, *args, **options: encode_to(
        tmp_path / name, frames, *args, **options
    )


@pytest.fixture
def make_video(encode: Callable[..., Path]) -> Callable[..., Path]:
    """``make_video(name, codec, count=40, size=(64, 48), **options)``: numbered frames."""

    def make(name: str, *args: Any, count: int = 40, size: Any = (64, 48), **options: Any) -> Path:
        return encode(name, [draw(n, size) for n in range(count)], *args, **options)

    return make
