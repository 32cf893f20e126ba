"""Accuracy and time of streams by their latency.

    python benchmarks/latency.py clips/val
    python benchmarks/latency.py clips/val --model cotracker3-online --weights FILE

All points of a clip are tracked together in a stream of its frames at full size; scores are the
TAP-Vid metrics in first mode, means over clips.  The delay of a frame is the number of later frames
pushed before its positions are final; frames that become final only at the end are left out.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import motes
from motes import data
from motes.data import Clip
from motes.eval.benchmark import Score, summarise
from motes.eval.protocols import NATIVE
from motes.eval.task import Task
from motes.tracking.tracker import Tracker
from motes.tracks import Tracks

LATENCIES = (None, 8, 4, 2, 1)
METRICS = ("average_jaccard", "average_pts_within_thresh", "occlusion_accuracy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pairs of NAME.mp4 and NAME.npz")
    parser.add_argument("--model", default=motes.load().preset.name)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--limit", type=int, help="use only the first N clips", metavar="N")
    parser.add_argument("--points", type=int, help="largest number of points per clip")
    arguments = parser.parse_args()
    tracker = motes.load(arguments.model, weights=arguments.weights)
    step = tracker.model.windowed().step
    clips = data.load("clips", arguments.folder, arguments.limit)

    print("| latency | AJ | delta | OA | ms a frame | delay: mean | most |\n|" + "---|" * 7)
    for latency in [n for n in LATENCIES if n is None or n <= step]:
        found = list(clips.each(lambda c, n=latency: measure(tracker, c, n, arguments.points)))
        print_row([score for score, _ in found], np.concatenate([delays for _, delays in found]))


def measure(
    tracker: Tracker, clip: Clip, latency: int | None, max_queries: int | None
) -> tuple[Score, np.ndarray]:
    """The score of one clip, and the delay of each frame that is final before the end."""
    task = Task.of(clip, NATIVE, "first", max_queries)
    start = time.perf_counter()
    tracks, delays = track_by_stream(tracker, task, latency)
    seconds = time.perf_counter() - start
    shape = len(task.queries), len(task.frames)
    return Score(str(latency), task.name, *shape, seconds, task.score(tracks)), delays


def track_by_stream(tracker: Tracker, task: Task, latency: int | None) -> tuple[Tracks, np.ndarray]:
    stream, parts, delays = tracker.stream(task.queries, latency=latency), [], []
    for now, frame in enumerate(task.frames):
        for part in stream.push(frame):
            parts.append(part)
            delays += [now - t for t in part.frames]
    rest = stream.close()
    return Tracks.concat_frames([*parts, *([rest] if rest else [])]), np.array(delays)


def print_row(scores: list[Score], delays: np.ndarray) -> None:
    (mean,) = summarise(scores)
    numbers = " | ".join(f"{100 * mean.metrics[name]:.1f}" for name in METRICS)
    delay = f"{delays.mean():.1f} | {delays.max()}" if len(delays) else "- | -"
    latency = "default" if mean.model == "None" else mean.model
    print(f"| {latency} | {numbers} | {1000 / mean.frames_per_second:.0f} | {delay} |", flush=True)


if __name__ == "__main__":
    main()
