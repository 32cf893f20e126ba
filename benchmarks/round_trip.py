"""Forward-backward error on real clips, which are played forward and then backward.

    python benchmarks/round_trip.py videos --model lk --model flow
    python benchmarks/round_trip.py videos --model taptrv2-s=runs/s/best.safetensors

At the end of such a video every point is at its start again.  A tracker that never moves a point
has no error, so the displacement after the forward half is printed, too.  Distances are in pixels
of the clip; the error is the median over points, the displacement the mean.
"""

import argparse
from pathlib import Path

import numpy as np

import motes
from motes.tracking.tracker import Tracker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", help="NAME or NAME=WEIGHTS; repeatable")
    parser.add_argument("--frames", type=int, default=24, help="number of frames of each clip")
    parser.add_argument("--grid", type=int, default=10)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    labels = arguments.model or ["lk", "flow"]
    trackers = {label: load(label, arguments.dtype) for label in labels}
    print(f"| clip | {' | '.join(f'{label}: error | displacement' for label in labels)} |")
    print("|---" * (1 + 2 * len(labels)) + "|")
    rows = []
    for clip in sorted(arguments.folder.glob("*.mp4")):
        frames = forward_backward(clip, arguments.frames)
        rows.append([measure(t, frames, arguments.grid) for t in trackers.values()])
        print(row(clip.stem, rows[-1]), flush=True)
    print(row("median of the clips", np.median(rows, 0)))


def load(label: str, dtype: str) -> Tracker:
    name, _, weights = label.partition("=")
    return motes.load(name, weights=weights or None, dtype=dtype)


def forward_backward(clip: Path, count: int) -> np.ndarray:
    """The first frames of a clip, then the same in the opposite order, ``[2 T - 1, H, W, 3]``."""
    frames = motes.open_video(clip, end=count).read(0, count)
    return np.concatenate([frames, frames[-2::-1]])


def measure(tracker: Tracker, frames: np.ndarray, grid: int) -> tuple[float, float]:
    """Median forward-backward error, and mean displacement of the forward half."""
    xy = tracker.track(frames, grid=grid).xy
    middle = len(frames) // 2
    error = np.linalg.norm(xy[:, -1] - xy[:, 0], axis=-1)
    displacement = np.linalg.norm(xy[:, middle] - xy[:, 0], axis=-1)
    return float(np.median(error)), float(displacement.mean())


def row(name: str, values: list[tuple[float, float]] | np.ndarray) -> str:
    cells = (f"{error:.2f} | {displacement:.1f}" for error, displacement in values)
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
