"""Do points come home?  Real clips are played forward and then backward.

    python benchmarks/round_trip.py videos --model lk --model flow
    python benchmarks/round_trip.py videos --model taptrv2-s=runs/s/best.safetensors

After the round trip every point should be where it began, whatever the video shows; a tracker that
never moves would be perfect, so the way that points went is printed too.  Distances are in pixels
of the clips' own size; the error is the median over points, the way there the mean.
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
    parser.add_argument("--frames", type=int, default=24, help="of each clip, one way")
    parser.add_argument("--grid", type=int, default=10)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    labels = arguments.model or ["lk", "flow"]
    trackers = {label: load(label, arguments.dtype) for label in labels}
    print(f"| clip | {' | '.join(f'{label}: error | went' for label in labels)} |")
    print("|---" * (1 + 2 * len(labels)) + "|")
    rows = []
    for clip in sorted(arguments.folder.glob("*.mp4")):
        frames = there_and_back(clip, arguments.frames)
        rows.append([measure(t, frames, arguments.grid) for t in trackers.values()])
        print(row(clip.stem, rows[-1]), flush=True)
    print(row("median of the clips", np.median(rows, 0)))


def load(label: str, dtype: str) -> Tracker:
    name, _, weights = label.partition("=")
    return motes.load(name, weights=weights or None, dtype=dtype)


def there_and_back(clip: Path, count: int) -> np.ndarray:
    """The first frames of a clip, then the same in the opposite order, ``[2 T - 1, H, W, 3]``."""
    frames = motes.open_video(clip, end=count).read(0, count)
    return np.concatenate([frames, frames[-2::-1]])


def measure(tracker: Tracker, frames: np.ndarray, grid: int) -> tuple[float, float]:
    """Median error of the return, and mean distance between both ends of the way there."""
    xy = tracker.track(frames, grid=grid).xy
    turn = len(frames) // 2
    error = np.linalg.norm(xy[:, -1] - xy[:, 0], axis=-1)
    went = np.linalg.norm(xy[:, turn] - xy[:, 0], axis=-1)
    return float(np.median(error)), float(went.mean())


def row(name: str, values: list[tuple[float, float]] | np.ndarray) -> str:
    return f"| {name} | {' | '.join(f'{error:.2f} | {went:.1f}' for error, went in values)} |"


if __name__ == "__main__":
    main()
