"""What a session costs: the first question, one more point, and very many.

    python benchmarks/session.py
    python benchmarks/session.py --model lk --frames 100 --size 384 512

The video is a drifting texture; the answers are of no interest, only their cost.
"""

import argparse
import resource
import time

import cv2
import numpy as np

import motes
from motes.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=motes.load().preset.name)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("H", "W"))
    parser.add_argument("--points", type=int, default=10_000)
    arguments = parser.parse_args()
    session = motes.load(arguments.model).session(clip(arguments.frames, *arguments.size))
    side = round(arguments.points**0.5)
    print(f"first point         {seconds(session, 1):8.2f} s")
    print(f"one more            {np.median([seconds(session, 1) for _ in range(5)]):8.2f} s")
    print(f"{side**2:6d} more         {seconds(session, side):8.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak of the process {peak:8.2f} GB")


def clip(T: int, H: int, W: int) -> np.ndarray:
    """A texture that drifts by two pixels a frame, ``[T, H, W, 3]``."""
    noise = np.random.default_rng(0).integers(0, 255, (H // 4, (W + 2 * T) // 4, 3), np.uint8)
    plane = cv2.resize(noise, (W + 2 * T, H), interpolation=cv2.INTER_CUBIC)
    return np.stack([plane[:, 2 * t : 2 * t + W] for t in range(T)])


def seconds(session: Session, side: int) -> float:
    """Time to track a grid of side x side points."""
    began = time.perf_counter()
    session.track(grid=side)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
