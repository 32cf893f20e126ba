"""What the settings of dense flow cost and gain: a table of changes.

    python benchmarks/searches.py clips/val
    python benchmarks/searches.py clips/val --points 128 --changes ITERATIONS=6 PATCH_STRIDE=6

A change is one constant of `motes.features.flow_fields` or several, joined by commas. Accuracy is
that of `motes eval clips ... --protocol native-joint`: AJ / delta / OA of `flow` and of `motes-s`,
which share their flow. The cost is the processor time of a field of 256x256, in one thread.
"""

import argparse
import ast
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch

from candidates import scores_of
from everyday import clip
from motes.features import flow_fields
from motes.tracking.load import load

BEFORE = "FINE_REFINEMENTS=2,HALVED_REFINEMENTS=0"
CHANGES = ("", BEFORE, "HALVED_REFINEMENTS=0", "HALVED_REFINEMENTS=1", "SMOOTHNESS=40")
CHANGES += ("GRADIENT_CONSTANCY=20", "ITERATIONS=6", "PATCH_STRIDE=6")
MODELS = ("flow", "motes-s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="a folder of clips")
    parser.add_argument("--changes", nargs="+", default=CHANGES)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--limit", type=int, help="number of clips")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"| change | CPU ms/field | {' | '.join(MODELS)} |\n|---|---|{'---|' * len(MODELS)}")
    for change in arguments.changes:
        with changed(change):
            milliseconds = cost()
            trackers = {name: load(name, dtype="float32") for name in MODELS}
            scores = scores_of(arguments.clips, trackers, arguments.points, arguments.limit)
        cells = [change or "none", f"{milliseconds:.1f}", *(scores[name] for name in MODELS)]
        print(f"| {' | '.join(cells)} |", flush=True)


@contextmanager
def changed(change: str) -> Iterator[None]:
    """Give constants of dense flow other values, in new searches."""
    pairs = [part.split("=") for part in change.split(",") if part]
    if missing := [name for name, _ in pairs if not hasattr(flow_fields, name)]:
        sys.exit(f"motes.features.flow_fields: expected a constant, got {missing[0]}")
    values = {name: ast.literal_eval(value) for name, value in pairs}
    with patch.multiple(flow_fields, **values, _SEARCHES=flow_fields._Searches()):
        yield


def cost(repeats: int = 10) -> float:
    """Processor time of a field of 256x256 in milliseconds, the smallest of some."""
    before, after = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip(7, 256, 256)[::6])
    predicted = flow_fields.compute_field(before, after, None)[..., :2].astype(np.float32)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        flow_fields.compute_field(before, after, predicted)
        times.append(1e3 * (time.process_time() - start))
    return min(times)


if __name__ == "__main__":
    main()
