"""Time and memory of a session: for the first point, one more, and very many.

    python benchmarks/session.py
    python benchmarks/session.py --model lk --frames 100 --size 384 512
    python benchmarks/session.py --frames 48 --dense               # every pixel

The video is a drifting texture; only time and memory are measured, not accuracy.
"""

import argparse
import resource
import time

import cv2
import numpy as np

import motes
from motes.tracking.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=motes.load().preset.name)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("H", "W"))
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--dense", action="store_true", help="track every pixel, once")
    arguments = parser.parse_args()
    session = motes.load(arguments.model).session(clip(arguments.frames, *arguments.size))
    if arguments.dense:
        print(f"every pixel         {seconds(session, dense=1):8.2f} s")
    else:
        measure(session, round(arguments.points**0.5))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak of the process {peak:8.2f} GB")


def clip(T: int, H: int, W: int) -> np.ndarray:
    """A texture that drifts by two pixels per frame, ``[T, H, W, 3]``."""
    noise = np.random.default_rng(0).integers(0, 255, (H // 4, (W + 2 * T) // 4, 3), np.uint8)
    plane = cv2.resize(noise, (W + 2 * T, H), interpolation=cv2.INTER_CUBIC)
    return np.stack([plane[:, 2 * t : 2 * t + W] for t in range(T)])


def measure(session: Session, side: int) -> None:
    """Track a point, another one, and a grid of side x side."""
    print(f"first point         {seconds(session, grid=1):8.2f} s")
    print(f"one more            {np.median([seconds(session, grid=1) for _ in range(5)]):8.2f} s")
    print(f"{side**2:6d} more         {seconds(session, grid=side):8.2f} s")


def seconds(session: Session, **points: int) -> float:
    """Time to track points."""
    start = time.perf_counter()
    session.track(**points)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
