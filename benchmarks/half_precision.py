"""Distance between tracks in bfloat16 and in float32, in pixels of the video.

python benchmarks/half_precision.py cotracker3-offline --weights FILE videos/street.mp4
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from motes.tracking.load import load
from motes.tracking.tracker import Tracker


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--grid", type=int, default=10)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    reference = load(arguments.model, weights=arguments.weights)
    half = Tracker(reference.model, reference.preset, torch.bfloat16)
    print("| video | size | median px | 90 % | largest | same visibility |")
    print("| --- | --- | --- | --- | --- | --- |")
    for video in arguments.videos:
        a, b = (
            t.track(video, grid=arguments.grid, end=arguments.frames) for t in (reference, half)
        )
        distance = np.linalg.norm(a.xy - b.xy, axis=-1)[:, 1:]  # frame 0 is the query
        numbers = (np.median(distance), np.quantile(distance, 0.9), distance.max())
        texts = [f"{n:.3f}" for n in numbers] + [f"{(a.visible == b.visible).mean():.1%}"]
        print("| " + " | ".join([video.stem, "{}x{}".format(*a.size), *texts]) + " |", flush=True)


if __name__ == "__main__":
    main()
