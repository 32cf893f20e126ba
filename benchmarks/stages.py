"""Processor time of each stage per frame, and what many hours of video cost.

    python benchmarks/stages.py                                  # lk, flow, motes-s at three sizes
    python benchmarks/stages.py --models cotracker3-online --sizes 640x480 --frames 32

One thread.  Processor time, not seconds: it does not depend on what else runs, though caches do.
The first window is not counted, so that the numbers are those of a long video.  A model whose
weights are not there runs with random ones, which cost the same.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import motes
from everyday import make
from motes.models.base import Features, PointModel
from motes.queries.grid import grid
from motes.tracking import windows
from motes.tracking.engine import Engine
from motes.tracking.results import to_model
from motes.tracking.support import with_support
from motes.video import Video

STAGES = ("decode", "resize", "encode", "flow", "refine", "rest")
HOURS, FPS = 10_000, 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="lk,flow,motes-s")
    parser.add_argument("--sizes", default="256x256,640x480,1920x1080")
    parser.add_argument("--frames", type=int, default=41)
    parser.add_argument("--points", type=int, default=10, help="side of the grid")
    parser.add_argument("--price", type=float, default=0.04, help="of a core and hour")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"| model | video | {' | '.join(STAGES)} | ms/frame | core-hours | price |")
    print("|---|---" + "|---" * (len(STAGES) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes.split(","):
            W, H = map(int, size.split("x"))
            clip = make_clip(Path(folder) / f"{size}.mp4", arguments.frames, (W, H))
            for name in arguments.models.split(","):
                row = measure(make(name).engine, motes.open_video(clip), arguments.points)
                print(line(name, size, row, arguments.price), flush=True)


def line(name: str, size: str, row: Counter[str], price: float) -> str:
    """One row of the table: milliseconds of each stage, their sum, and what the hours cost."""
    total = sum(row.values())
    core_hours = HOURS * FPS * total / 1000  # frames an hour, times hours a frame: 3600 / 3600
    numbers = [f"{row[stage]:.1f}" for stage in STAGES]
    numbers += [f"{total:.0f}", f"{core_hours:,.0f}", f"${core_hours * price:,.0f}"]
    return f"| {name} | {size} | {' | '.join(numbers)} |"


@torch.inference_mode()
def measure(engine: Engine, video: Video, points: int) -> Counter[str]:
    """Milliseconds of each stage per frame."""
    model, schedule = engine.model, engine.model.windowed()
    resize = engine.preset.resize.plan(video.size)
    count, first = len(video), schedule.window or 1
    row: Counter[str] = Counter()
    with timed(row, "decode", count):
        frames = list(video)
    with timed(row, "resize", count):
        scaled = [engine.resized(frame, resize) for frame in frames]
    engine.encode_resized(scaled[:1])  # to warm up
    with timed(row, "encode", count):
        features = [engine.encode_resized([frame]) for frame in scaled]
    starts, cache = schedule.starts(count), model.new_cache(model.cache_bytes)
    if cache is not None:
        model.prepare(Features.concat(features[:first]), 0, cache)
        with timed(row, "flow", count - first):
            for start in starts[1:]:
                window = features[start : start + first]
                model.prepare(Features.concat(window), start, cache)
    txy = to_model(grid(points, video.size), resize, 0)
    txy = with_support(txy, engine.preset.support, resize.target)
    state = windows.begin(model, torch.from_numpy(txy)[None], schedule)
    with engine.autocast():
        for frame in features[:first]:
            _, state = windows.push(model, state, frame, cache=cache, ahead=False)
        with refinements_timed(model, row, count - first), timed(row, "rest", count - first):
            for frame in features[first:]:
                _, state = windows.push(model, state, frame, cache=cache, ahead=False)
    row["rest"] -= row["refine"]
    return row


@contextmanager
def timed(row: Counter[str], stage: str, frames: int) -> Iterator[None]:
    """Add the processor time of a block, in milliseconds per frame."""
    start = time.process_time()
    yield
    row[stage] += 1000 * (time.process_time() - start) / frames  # type: ignore[assignment]


@contextmanager
def refinements_timed(model: PointModel, row: Counter[str], frames: int) -> Iterator[None]:
    """Count what the network of a model takes apart from the rest."""
    original: Callable[..., Any] | None = getattr(model, "refine", None)
    if original is None:
        yield
        return

    def refine(*arguments: Any, **options: Any) -> Any:
        with timed(row, "refine", frames):
            return original(*arguments, **options)

    model.refine = refine  # type: ignore[assignment]
    yield
    del model.refine


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> Path:
    """A texture that drifts, with a little noise, so that decoding costs what real video costs."""
    W, H = size
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (H // 8 + frames, W // 8 + frames, 3), np.uint8)
    texture = cv2.resize(noise, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    with motes.open_writer(path, size, FPS) as writer:
        for t in range(frames):
            frame = texture[3 * t : 3 * t + H, 4 * t : 4 * t + W]
            writer.write(cv2.add(frame, rng.integers(0, 8, frame.shape, np.uint8)))
    return path


if __name__ == "__main__":
    main()
