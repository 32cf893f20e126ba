"""Peak memory and speed on a long video: reading it, and tracking 100 points through it.

    python benchmarks/memory.py            # 10,000 frames of 640x480; about five minutes on 2 cores
    python benchmarks/memory.py --frames 1000
    python benchmarks/memory.py --per-point motes-s    # bytes per point and frame of a window

Each task runs in a separate process, for separate peaks.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

SIZE = 640, 480
LIMIT_MB = 600


def scene(num_frames: int) -> Iterator[np.ndarray]:
    """A window that moves over a blurred random texture, by at most three pixels per frame."""
    W, H = SIZE
    noise = np.random.default_rng(0).random((2 * H, 2 * W, 3), np.float32)
    texture = cv2.GaussianBlur(noise, (0, 0), 4)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
    for t in range(num_frames):
        x = round(W / 2 * (1 + np.sin(t / 160)))
        y = round(H / 2 * (1 + np.cos(t / 110)))
        yield np.ascontiguousarray(texture[y : y + H, x : x + W])


def generate(path: Path, num_frames: int) -> None:
    from motes.video import open_writer

    with open_writer(path, SIZE, 30) as writer:
        for frame in scene(num_frames):
            writer.write(frame)


def read(path: str) -> int:
    from motes.video import open_video

    return sum(1 for _ in open_video(path))


def read_backward(path: str) -> int:
    from motes.video import open_video

    video = open_video(path)
    starts = range((video.num_frames or 0) - 8, -1, -8)
    return sum(len(video.read(start, start + 8)) for start in starts)


def track(path: str) -> int:
    import motes

    return motes.load("lk").track(path, grid=10).num_frames


TASKS = {"read": read, "read backward": read_backward, "track lk": track}


def run(name: str, path: str) -> None:
    """Measure one task, and print its row."""
    started = time.perf_counter()
    count = TASKS[name](path)
    seconds = time.perf_counter() - started
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"| {name:14} | {count:6} | {count / seconds:8.0f} | {peak:7.0f} |", flush=True)
    if peak > LIMIT_MB:
        sys.exit(f"{name}: {peak:.0f} MB is above the limit of {LIMIT_MB} MB")


def run_all(num_frames: int) -> int:
    """Run every task in a separate process; returns the number of tasks above the limit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        generate(path, num_frames)
        print("| task           | frames | frames/s | peak MB |\n|---|---|---|---|", flush=True)
        commands = [[sys.executable, __file__, "--task", t, "--video", str(path)] for t in TASKS]
        return sum(subprocess.run(command).returncode != 0 for command in commands)


FEW, MANY = 500, 2000
"""Points whose peaks are compared."""


def track_points(name: str, count: int) -> None:
    """Print the peak in bytes of tracking points through two windows of a video."""
    import torch

    from motes.tracking.load import presets

    preset = presets()[name]
    model = preset.build(preset.config).eval()  # memory does not depend on the weights
    frames = np.stack(list(scene((model.schedule.window or 24) + 1)))
    video = torch.from_numpy(frames[:, :256, :256]).permute(0, 3, 1, 2)[None].float() / 255
    xy = torch.rand(1, count, 2, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        model(video, torch.cat([torch.zeros(1, count, 1), xy], 2))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10)


def per_point(name: str) -> None:
    """Print how much memory a point takes per frame of a window, from two numbers of points."""
    from motes.tracking.load import presets

    command = [sys.executable, __file__, "--per-point", name, "--points"]
    few, many = (
        int(subprocess.run([*command, str(n)], capture_output=True, check=True).stdout)
        for n in (FEW, MANY)
    )
    preset = presets()[name]
    model = preset.build(preset.config)
    found = (many - few) / (MANY - FEW) / (model.schedule.window or 24)
    print(f"{name}: {found:.0f} bytes per point and frame; point_bytes is {model.point_bytes}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--task", choices=TASKS, help="run only this task, on --video")
    parser.add_argument("--video")
    parser.add_argument("--per-point", metavar="MODEL", help="only measure what points take")
    parser.add_argument("--points", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.points:
        track_points(options.per_point, options.points)
    elif options.per_point:
        per_point(options.per_point)
    elif options.task:
        run(options.task, options.video)
    else:
        sys.exit(run_all(options.frames))


if __name__ == "__main__":
    main()
