"""Print how fast trails are drawn: 400 points that all move, 640x480, written as mp4.

Processor time is more reliable than wall time if other programs are running.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from motes.rendering import Painter, Style, looks, render
from motes.tracks import Tracks

FRAMES, SIZE = 100, (640, 480)


def main() -> None:
    cv2.setNumThreads(2)
    tracks, footage = _circling(), np.full((FRAMES, 480, 640, 3), 90, np.uint8)
    print(
        "| look | draw: ms per frame | (processor) | draw and write: ms | (processor) | frames/s |"
    )
    print("|---|---|---|---|---|---|")
    for look in looks():
        painter = Painter(tracks, Style(look))
        drawn, busy = _milliseconds(lambda p=painter: [p(f, t) for t, f in enumerate(footage)])
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.mp4"
            written, all_busy = _milliseconds(
                lambda o=out, k=look: render(footage, tracks, o, look=k)
            )
        times = f"{drawn:.1f} | {busy:.1f} | {written:.1f} | {all_busy:.1f} | {1000 / written:.0f}"
        print(f"| {look} | {times} |")


def _circling() -> Tracks:
    """20 x 20 points on circles, about 4 pixels per frame."""
    x, y = np.meshgrid(np.linspace(40, 600, 20), np.linspace(40, 440, 20))
    angle = np.arange(FRAMES) / 10
    circle = 40 * np.stack([np.cos(angle), np.sin(angle)], -1)
    xy = np.stack([x.ravel(), y.ravel()], -1)[:, None] + circle
    return Tracks(xy, np.ones(xy.shape[:2], bool), size=SIZE)


def _milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds per frame: wall time, and processor time of all threads."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    scale = 1000 / FRAMES
    return (time.perf_counter() - start) * scale, (time.process_time() - busy) * scale


if __name__ == "__main__":
    main()
