"""What each candidate of `motes-s` costs and gains: a table of sets of candidates.

    python benchmarks/candidates.py clips/val clips/real --points 100

Accuracy is that of `motes eval clips ... --protocol native-joint`. The cost is the processor time
of a frame of 256x256 with 100 points, everything included, in one thread. Sets share their flow
while accuracy is measured, which changes no result.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import torch

from everyday import clip, spread
from motes.data import load as load_data
from motes.eval.benchmark import evaluate, summarise
from motes.eval.protocols import find_protocol
from motes.features.flow_fields import FlowCache
from motes.tracking.load import load
from motes.tracking.tracker import Tracker

SETS = (("flow",), ("flow", "half"), ("flow", "direct"), ("half", "direct"))
SETS += (("flow", "half", "direct"),)
CACHE_BYTES = 2**31
SCORES = {
    "AJ": "average_jaccard",
    "delta": "average_pts_within_thresh",
    "OA": "occlusion_accuracy",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path, help="folders of clips")
    parser.add_argument("--sets", nargs="+", default=["+".join(kinds) for kinds in SETS])
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--limit", type=int, help="clips of each folder")
    parser.add_argument("--frames", type=int, default=48, help="of the video that gives the cost")
    parser.add_argument("--cost", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if arguments.cost:
        print(json.dumps(cost(arguments.cost, arguments.frames)))
        return
    sets = arguments.sets
    found = {
        folder.name: scores_of(
            folder,
            {kinds: with_candidates(kinds) for kinds in sets},
            arguments.points,
            arguments.limit,
        )
        for folder in arguments.clips
    }
    columns = ["CPU ms/frame", *(f"{name} AJ / delta / OA" for name in found)]
    print(f"| candidates | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for kinds in sets:
        command = [sys.executable, __file__, "--cost", kinds, "--frames", str(arguments.frames)]
        milliseconds = json.loads(subprocess.check_output(command, text=True))
        cells = [f"{milliseconds:.0f}", *(scores[kinds] for scores in found.values())]
        print(f"| {kinds.replace('+', ', ')} | {' | '.join(cells)} |", flush=True)


def with_candidates(kinds: str) -> Tracker:
    """`motes-s` with a set of candidates, whose names are joined by ``+``."""
    tracker = load("motes-s", dtype="float32")
    model = tracker.model
    model.config = dataclasses.replace(model.config, candidates=tuple(kinds.split("+")))
    return tracker


def cost(kinds: str, frames: int) -> float:
    """Processor time per frame in milliseconds, after a short run to warm up."""
    tracker = with_candidates(kinds)
    video, queries = clip(frames, 256, 256), spread(100, 256, 256)
    tracker.track(video[:24], queries[:1])
    start = time.process_time()
    tracker.track(video, queries)
    return 1e3 * (time.process_time() - start) / frames


def scores_of(
    folder: Path, trackers: dict[str, Tracker], points: int, limit: int | None
) -> dict[str, str]:
    """AJ / delta / OA of each tracker, as means over the clips of a folder.

    They share their flow, which changes no result.
    """
    cache = FlowCache(CACHE_BYTES)
    for tracker in trackers.values():
        tracker.model.new_cache = lambda limit: cache
    collection, protocol = load_data("clips", folder, limit), find_protocol("native-joint")
    scores = evaluate(collection, trackers, protocol, "first", max_queries=points)
    rows = summarise([score for of_clip in scores for score in of_clip])
    return {
        row.model: " / ".join(f"{100 * row.metrics[name]:.1f}" for name in SCORES.values())
        for row in rows
    }


if __name__ == "__main__":
    main()
