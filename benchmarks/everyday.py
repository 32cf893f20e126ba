"""What a user does, as one table: model x size of the video x number of points.

    python benchmarks/everyday.py
    python benchmarks/everyday.py --models flow motes-s --sizes 256x256 --points 100 --threads 2
    python benchmarks/everyday.py --growth              # cost per point and per frame

The video is a texture that drifts and turns, given as frames in memory; everything after that is
included (resizing, flow, network). Every row is a process of its own. CoTracker has random weights,
which changes no time. ``first`` is the time until the first tracks come out of a session;
``faults`` are minor page faults per frame.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time

import cv2
import numpy as np
import torch

from motes.tracking.load import load, presets
from motes.tracking.number_types import choose_dtype
from motes.tracking.parts import track_in_parts
from motes.tracking.tracker import Tracker

MODELS = ("lk", "flow", "motes-s", "cotracker3-offline")
SIZES = ("256x256", "640x480", "1920x1080")
POINTS = (1, 100, 2500)
COLUMNS = ("frames/s", "ms/frame", "first ms", "CPU s", "peak GB", "faults")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WxH")
    parser.add_argument("--points", nargs="+", type=int, default=POINTS)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--growth", action="store_true", help="slopes, at the first size")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(**json.loads(arguments.row))))
    elif arguments.growth:
        growth(arguments)
    else:
        table(arguments)


def table(arguments: argparse.Namespace) -> None:
    """All combinations."""
    print(f"| model | size | points | {' | '.join(COLUMNS)} |")
    print("|---|---|---|" + "---|" * len(COLUMNS))
    rows = itertools.product(arguments.models, arguments.sizes, arguments.points)
    for model, size, points in rows:
        found = row(model, size, points, arguments.frames, arguments.threads)
        values = " | ".join(f"{found[name]:.4g}" for name in COLUMNS)
        print(f"| `{model}` | {size} | {points} | {values} |", flush=True)


def growth(arguments: argparse.Namespace) -> None:
    """Processor time of one more point and of one more frame."""
    few, many = min(arguments.points), max(arguments.points)
    frames, size = arguments.frames, arguments.sizes[0]
    print("| model | ms per frame and 1,000 points | ms per frame |\n|---|---|---|")
    for model in arguments.models:
        base, more, longer = (
            row(model, size, n, t, arguments.threads)["CPU s"]
            for n, t in ((few, frames), (many, frames), (few, 2 * frames))
        )
        per_point = 1e6 * (more - base) / (many - few) / frames
        print(f"| `{model}` | {per_point:.3g} | {1e3 * (longer - base) / frames:.3g} |", flush=True)


def row(model: str, size: str, points: int, frames: int, threads: int) -> dict[str, float]:
    """Measure in a process of its own."""
    values = {"model": model, "size": size, "points": points, "frames": frames, "threads": threads}
    command = [sys.executable, __file__, "--row", json.dumps(values)]
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}  # as the command `motes` sets it
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def measure(model: str, size: str, points: int, frames: int, threads: int) -> dict[str, float]:
    """Track once to warm up, then once for the time."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    tracker = make(model)
    W, H = map(int, size.split("x"))
    video, queries = clip(frames, W, H), spread(points, W, H)
    tracker.track(video[:24], queries[:1])
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    tracker.track(video, queries)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "frames/s": frames / seconds,
        "ms/frame": 1e3 * seconds / frames,
        "first ms": 1e3 * first_result(tracker, video, queries),
        "CPU s": cpu,
        "peak GB": after.ru_maxrss / 2**20,
        "faults": (after.ru_minflt - before.ru_minflt) / frames,
    }


def first_result(tracker: Tracker, video: np.ndarray, queries: np.ndarray) -> float:
    """Seconds until the first stretch of tracks is there."""
    session, start = tracker.session(video), time.perf_counter()
    next(track_in_parts(session, queries))
    return time.perf_counter() - start


def make(name: str) -> Tracker:
    """A tracker; with random weights where ours do not include them."""
    preset = presets()[name]
    if preset.weights is None or preset.weights.embedded:
        return load(name)
    torch.manual_seed(0)
    dtype = choose_dtype(preset, torch.device("cpu"))
    return Tracker(preset.build(preset.config).eval(), preset, dtype)


def clip(T: int, W: int, H: int) -> np.ndarray:
    """A texture that drifts and turns, uint8 ``[T, H, W, 3]``."""
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    texture = cv2.resize(noise, (2 * W, 2 * H), interpolation=cv2.INTER_CUBIC)
    frames = []
    for t in range(T):
        matrix = cv2.getRotationMatrix2D((W, H), 0.3 * t, 1.0)
        matrix[:, 2] -= (W / 2 + 1.5 * t, H / 2 + 0.5 * t)
        frames.append(cv2.warpAffine(texture, matrix, (W, H), borderMode=cv2.BORDER_REFLECT))
    return np.stack(frames)


def spread(count: int, W: int, H: int) -> np.ndarray:
    """Queries in frame 0, evenly spread, ``[count, 3]``."""
    columns = int(np.ceil(count**0.5))
    steps = (np.arange(columns) + 0.5) / columns
    x, y = np.meshgrid(steps * (W - 1), steps * (H - 1))
    return np.stack([np.zeros(x.size), x.ravel(), y.ravel()], 1)[:count]


if __name__ == "__main__":
    main()
