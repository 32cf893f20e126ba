"""Decoding, flow and network of one run, each alone and all together.

    python benchmarks/pipeline.py
    python benchmarks/pipeline.py --model flow --size 640x480 --rounds 3

``decode`` reads a video file and brings its frames to the size of the model; ``flow`` computes the
flow of all steps, in two threads; ``network`` encodes frames that are in memory, and tracks with
flow that is known already (all but the direct steps of motes-s); ``whole`` is `Tracker.track` of
the file, where they overlap. A part that runs alone may use all processors, so the whole cannot
take less wall time than its processor time divided by their number. The parts take turns; values
are medians.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable
from copy import copy
from pathlib import Path

import cv2
import numpy as np
import torch

import motes
from everyday import clip, spread
from motes.features.flow_fields import FlowCache
from motes.tracking.tracker import Tracker
from motes.video.ahead import frames_ahead, read_ahead

PARTS = ("decode", "flow", "network", "whole")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="motes-s")
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    W, H = map(int, arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        with motes.open_writer(path, (W, H), 25) as writer:
            for frame in clip(arguments.frames, W, H):
                writer.write(frame)
        run = Run(motes.load(arguments.model, memory="8G"), path, spread(arguments.points, W, H))
        run.whole()
        rounds = [run.all_parts() for _ in range(arguments.rounds)]
    report(rounds, arguments.frames)


def report(rounds: list[dict[str, tuple[float, float]]], frames: int) -> None:
    """A table in milliseconds per frame, and how far the whole is above the longest part."""
    print("| part | wall ms/frame | CPU ms/frame |\n|---|---|---|")
    wall = {}
    for part in PARTS:
        seconds, cpu = (statistics.median(r[part][i] for r in rounds) for i in (0, 1))
        wall[part] = seconds
        print(f"| {part} | {1e3 * seconds / frames:.1f} | {1e3 * cpu / frames:.1f} |")
    longest = max(wall[part] for part in PARTS[:-1])
    bound = cpu / (os.cpu_count() or 1)
    print(f"\nwhole / longest part: {wall['whole'] / longest:.2f}")
    print(f"whole / (its CPU time / {os.cpu_count()} processors): {wall['whole'] / bound:.2f}")


class Run:
    """One video and one model; each method does a part of the work, or all of it."""

    def __init__(self, tracker: Tracker, path: Path, queries: np.ndarray) -> None:
        self.tracker, self.path, self.queries = tracker, path, queries
        self.model, self.engine = tracker.model, tracker.engine
        self.resize = tracker.session(path).resize
        target = self.resize.target
        self.frames = np.stack([cv2.resize(f, target) for f in motes.open_video(path)])
        same = self.engine.preset.resize.plan(target)
        with torch.inference_mode():
            self.features = self.engine.encode(self.frames, same)
        self.known = self.flow()

    def all_parts(self) -> dict[str, tuple[float, float]]:
        """Seconds and processor seconds of each."""
        return {part: timed(getattr(self, part)) for part in PARTS}

    def decode(self) -> None:
        """Read and resize."""
        video = motes.open_video(self.path)
        frames = (self.engine.resized(frame, self.resize) for frame in video)
        deque(read_ahead(frames, frames_ahead(video.size)), maxlen=0)

    def flow(self) -> FlowCache:
        """All steps between frames, as windows need them."""
        cache = self.model.new_cache(self.model.cache_bytes)
        schedule = self.model.windowed()
        for start in schedule.starts(len(self.features)):
            window = self.features[start : start + schedule.window]
            self.model.prepare(window, start, cache)
        return cache

    def network(self) -> None:
        """Everything else, from frames in memory."""
        session = self.tracker.session(self.frames)
        session.cache = copy(self.known)
        session.track(
            np.column_stack([self.queries[:, 0], self.resize.points(self.queries[:, 1:])])
        )

    def whole(self) -> None:
        """As users do."""
        self.tracker.track(self.path, self.queries)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and processor seconds."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


if __name__ == "__main__":
    main()
