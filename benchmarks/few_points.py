"""Accuracy of points that are tracked alone and together with many others.

    python benchmarks/few_points.py clips/val --model taptrv2-s

Joint models use the other points as context.  The same points are tracked in three ways: among 256
points, each alone with support points, and each alone without.  Scores are those of the protocol
`tapvid`, over these points.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import motes
from motes import data
from motes.eval.protocols import TAPVID
from motes.eval.task import Task
from motes.tracking.tracker import Tracker

NAMES = ("average_jaccard", "average_pts_within_thresh", "occlusion_accuracy")
ALONE = {"alone, with support points": True, "alone": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="taptrv2-s", help="NAME or NAME=WEIGHTS")
    parser.add_argument("--many", type=int, default=256)
    parser.add_argument("--few", type=int, default=16, help="points a clip that are scored")
    arguments = parser.parse_args()
    name, _, weights = arguments.model.partition("=")
    tracker = motes.load(name, weights=weights or None)
    clips = data.load("clips", arguments.folder)
    tables = list(clips.each(lambda c: measure(tracker, c, arguments.many, arguments.few)))
    print("| queries | AJ | delta | OA |\n|---|---|---|---|")
    for way in tables[0]:
        means = 100 * np.nanmean([[table[way][n] for n in NAMES] for table in tables], 0)
        print(f"| {way} | {' | '.join(f'{value:.1f}' for value in means)} |")


def measure(tracker: Tracker, clip: data.Clip, many: int, few: int) -> dict[str, dict[str, float]]:
    """Scores of the same points in each of the three ways."""
    task = Task.of(clip, TAPVID, "first", many)
    chosen = np.linspace(0, len(task.queries) - 1, few).round().astype(int)
    tracks = tracker.track(task.frames, task.queries)
    part = replace(
        task,
        queries=task.queries[chosen],
        raster=task.raster[chosen],
        occluded=task.occluded[chosen],
        annotated=task.annotated[chosen],
    )
    scores = {f"among {len(task.queries)}": part.score(tracks[chosen])}
    for way, support in ALONE.items():
        tracks = tracker.track(part.frames, part.queries, joint=False, support=support)
        scores[way] = part.score(tracks)
    return scores


if __name__ == "__main__":
    main()
