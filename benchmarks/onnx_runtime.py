"""A model in PyTorch and the same model in ONNX Runtime, side by side: positions and time.

Each clip is tracked by both, one after the other, in one process with one thread each; the time is
processor time after a first run that warms up.  Without --exported, the model is exported first.
Models whose weights are not part of motes have random ones.

    python benchmarks/onnx_runtime.py motes-s a.mp4 b.mp4 c.mp4 --points 4 100 400 --frames 40
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from everyday import make
from motes import Tracks, open_video
from motes.onnx.export import export_model
from motes.onnx.runtime import load_exported
from motes.tracking.tracker import Tracker

COLUMNS = ("clip", "size", "frames", "points", "largest px", "mean px", "visible differs")
COLUMNS += ("torch ms/frame", "onnx ms/frame")


def main():
    arguments = parse()
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary:
        tracker = make(arguments.model)
        folder = arguments.exported or Path(temporary) / "exported"
        if arguments.exported is None:
            start = time.process_time()
            export_model(tracker.model, tracker.preset, folder)
            print(f"exported in {time.process_time() - start:.0f} s of processor time\n")
        twin = load_exported(tracker.preset, folder, threads=1).eval()
        trackers = tracker, Tracker(twin, tracker.preset)
        print("| " + " | ".join(COLUMNS) + " |")
        print("|" + " --- |" * len(COLUMNS))
        for clip, points in zip(arguments.clips, arguments.points, strict=True):
            print("| " + " | ".join(row(clip, points, arguments.frames, trackers)) + " |")


def row(clip, points, frames, trackers):
    video = open_video(clip).read(0, frames)
    queries = spread(points, video.shape[2], video.shape[1])
    (ours, seconds), (theirs, seconds_onnx) = (timed(t, video, queries) for t in trackers)
    distance = np.linalg.norm(ours.xy - theirs.xy, axis=-1)
    return (
        Path(clip).stem,
        f"{video.shape[2]}x{video.shape[1]}",
        str(len(video)),
        str(points),
        f"{distance.max():.5f}",
        f"{distance.mean():.6f}",
        f"{(ours.visible != theirs.visible).sum()} of {ours.visible.size}",
        f"{1000 * seconds / len(video):.0f}",
        f"{1000 * seconds_onnx / len(video):.0f}",
    )


def timed(tracker: Tracker, video, queries) -> tuple[Tracks, float]:
    tracker.track(video[:4], queries)
    start = time.process_time()
    tracks = tracker.track(video, queries)
    return tracks, time.process_time() - start


def spread(count, width, height):
    """Queries in frame 0, at random positions away from the border."""
    chance = np.random.default_rng(0).uniform(0.05, 0.95, (count, 2))
    return np.column_stack([np.zeros(count), chance * [width, height]]).astype(np.float32)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--points", type=int, nargs="+", help="one number per clip")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--exported", type=Path, help="folder of motes export-model")
    arguments = parser.parse_args()
    arguments.points = arguments.points or [100] * len(arguments.clips)
    return arguments


if __name__ == "__main__":
    main()
