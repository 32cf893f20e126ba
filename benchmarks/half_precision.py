"""bfloat16 beside float32: distance between the tracks in pixels of the video, and processor time.

One runs after the other.  The last column but one is the median movement of the tracks from
frame to frame, to compare the distance with.

python benchmarks/half_precision.py clips/*.mp4 --model motes-s --model cotracker3-offline=FILE
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from motes.tracking.load import load
from motes.tracking.tracker import Tracker

COLUMNS = ("model", "video", "size", "median px", "90 %", "largest", "same visibility")
COLUMNS += ("movement px", "CPU s float32 / bfloat16")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--model", action="append", required=True, help="NAME or NAME=WEIGHTS")
    parser.add_argument("--grid", type=int, default=10)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for label in arguments.model:
        name, _, weights = label.partition("=")
        exact = load(name, weights=weights or None, device="cpu", dtype="float32")
        half = Tracker(exact.model, exact.preset, torch.bfloat16)
        for video in arguments.videos:
            row = compare(exact, half, video, arguments)
            print("| " + " | ".join([name, video.stem, *row]) + " |", flush=True)


def compare(exact, half, video, arguments):
    (a, before), (b, after) = (track(t, video, arguments) for t in (exact, half))
    distance = np.linalg.norm(a.xy - b.xy, axis=-1)[:, 1:]  # frame 0 is the query
    step = np.median(np.linalg.norm(np.diff(a.xy, axis=1), axis=-1))
    numbers = (np.median(distance), np.quantile(distance, 0.9), distance.max())
    texts = ["{}x{}".format(*a.size), *(f"{n:.3f}" for n in numbers)]
    return [
        *texts,
        f"{(a.visible == b.visible).mean():.1%}",
        f"{step:.2f}",
        f"{before / after:.2f}",
    ]


def track(tracker, video, arguments):
    """Tracks, and the processor seconds that they took."""
    begin = time.process_time()
    tracks = tracker.track(video, grid=arguments.grid, end=arguments.frames)
    return tracks, time.process_time() - begin


if __name__ == "__main__":
    main()
