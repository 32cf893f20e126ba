"""Time of a model at an older revision and now, measured in turns.

Each revision runs in a process of its own, with random weights, and the two take turns, because the
speed of a shared machine changes from minute to minute.  Processor time (user and system) of the
second and later runs; the ratio of a pair is more reliable than either time.

    git worktree add /tmp/before a03be39
    python benchmarks/before_after.py /tmp/before cotracker3-offline --frames 16 --points 100
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parents[1]


def main():
    arguments = parse()
    if arguments.worker:
        return work(arguments)
    print("| model | points | frames | dtype | part | before: s | now: s | ratio | range |")
    print("|" + " --- |" * 9)
    for dtype in arguments.dtype:
        before, now = (start(root, dtype) for root in (arguments.before, HERE))
        pairs = [(answer(before), answer(now)) for _ in range(arguments.repeats + 1)][1:]
        for process in (before, now):
            process.stdin.close()
            process.wait()
        for part in ("encode", "track", "all", "faults"):
            row = [arguments.model, arguments.points, arguments.frames, dtype, part]
            print("| " + " | ".join([*map(str, row), *summary(pairs, part)]) + " |", flush=True)
    return None


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path, help="a working tree of the older revision")
    parser.add_argument("model", nargs="?", default="cotracker3-offline")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("H", "W"))
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def start(root, dtype):
    """A process that runs the model of one revision whenever it reads a line."""
    options = [*sys.argv[1:], "--worker", "--dtype", dtype]
    return subprocess.Popen(
        [sys.executable, __file__, *options],
        env=os.environ | {"PYTHONPATH": str(Path(root) / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def summary(pairs, part):
    """Medians of both, and median and range of the ratios."""
    before, now = ([run[part] for run in runs] for runs in zip(*pairs, strict=True))
    digits = 0 if part == "faults" else 2
    medians = [f"{statistics.median(values):.{digits}f}" for values in (before, now)]
    ratios = [a / b for a, b in zip(before, now, strict=True) if b]
    if not ratios:
        return [*medians, "", ""]
    middle = f"{statistics.median(ratios):.2f}"
    return [*medians, middle, f"{min(ratios):.2f} to {max(ratios):.2f}"]


def work(arguments):
    from motes.tracking.load import presets

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    preset = presets()[arguments.model]
    model = preset.build(preset.config).eval()
    H, W = arguments.size
    video = torch.rand(1, arguments.frames, 3, H, W)
    queries = torch.rand(1, arguments.points, 3) * torch.tensor([0, W - 1.0, H - 1.0])
    for _ in sys.stdin:
        print(json.dumps(run(model, video, queries, arguments.dtype[0])), flush=True)


@torch.inference_mode()
def run(model, video, queries, dtype):
    """Processor seconds and minor page faults of encoding and tracking."""
    half = dtype == "bfloat16"
    with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
        begin = used()
        features = model.encode(video)
        encoded = used()
        model.track(features, queries)
        tracked = used()
    return {
        "encode": encoded[0] - begin[0],
        "track": tracked[0] - encoded[0],
        "all": tracked[0] - begin[0],
        "faults": tracked[1] - begin[1],
    }


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_minflt


if __name__ == "__main__":
    main()
