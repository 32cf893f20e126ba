"""Time and memory of models, as a table: model x points x frames x size x number type.

Every row is a new process with random weights; `lk`, `flow` and `motes-s` by default.  The first
run warms up and counts the operations of matrix products, convolutions and attention; the second is
timed.  The last column is the share of the speed of a large matrix product on the same machine.  On
a shared machine the processor time is more reliable than the wall time.

    python benchmarks/speed.py                    # lk, flow, motes-s
    python benchmarks/speed.py cotracker3-offline taptrv2-s --points 100 400 --frames 48
    python benchmarks/speed.py cotracker3-offline --dtype bfloat16 --compile
    python benchmarks/speed.py cotracker3-offline --device cuda
    python benchmarks/speed.py --peaks            # speed of matrix products and convolutions
"""

import argparse
import itertools
import json
import math
import resource
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from motes.tracking.load import compile_model, presets
from motes.tracking.number_types import DTYPES
from motes.tracking.tracker import Tracker

CLASSICAL = ("lk", "flow")
"""They have no weights, so their number type is always the same."""

COLUMNS = ("model", "points", "frames", "size", "dtype", "encode s", "track s", "CPU s")
COLUMNS += ("ms/frame", "peak GB", "TFLOP/s", "of peak")


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    if arguments.peaks:
        return peaks()
    if arguments.one:
        return print(json.dumps(measure(json.loads(arguments.one))))
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for row in rows(arguments):
        print("| " + " | ".join(in_new_process(row, arguments.threads)) + " |", flush=True)
    return None


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=["lk", "flow", "motes-s"])
    parser.add_argument("--points", type=int, nargs="+", default=[100])
    parser.add_argument("--frames", type=int, nargs="+", default=[48])
    parser.add_argument("--size", metavar="HxW", nargs="+", help="default: that of the model")
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"], choices=DTYPES)
    parser.add_argument("--iterations", type=int, help="default: that of the model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peaks", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def rows(arguments):
    for name in arguments.models:
        H, W = presets()[name].resize.size or (384, 512)
        sizes = arguments.size or [f"{H}x{W}"]
        axes = (arguments.points, arguments.frames, sizes, arguments.dtype)
        for points, frames, size, dtype in itertools.product(*axes):
            if dtype != "float32" and name in CLASSICAL:
                continue
            row = {"model": name, "points": points, "frames": frames, "size": size}
            options = {k: getattr(arguments, k) for k in ("iterations", "device", "compile")}
            yield {**row, "dtype": dtype, **options}


def in_new_process(row, threads):
    command = [sys.executable, __file__, "--threads", str(threads), "--one", json.dumps(row)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    wall = found["encode"] + found["track"]
    speed = found["flop"] / wall
    numbers = (found["encode"], found["track"], found["cpu"], 1000 * wall / row["frames"])
    numbers += (found["peak"], speed / 1e12, 100 * speed / found["most"])
    formats = ("{:.2f}", "{:.2f}", "{:.1f}", "{:.0f}", "{:.2f}", "{:.2f}", "{:.0f} %")
    texts = [form.format(n) for form, n in zip(formats, numbers, strict=True)]
    return [str(row[k]) for k in ("model", "points", "frames", "size", "dtype")] + texts


@torch.inference_mode()
def measure(row):
    preset = presets()[row["model"]]
    torch.manual_seed(0)
    model = preset.build(preset.config).eval().to(row["device"])
    tracker = Tracker(model, preset, DTYPES[row["dtype"]])
    H, W = map(int, row["size"].split("x"))
    video = torch.rand(1, row["frames"], 3, H, W, device=row["device"])
    queries = torch.rand(1, row["points"], 3) * torch.tensor([0, W - 1.0, H - 1.0])
    queries = queries.to(row["device"])
    counted = {torch.ops.mkldnn._linear_pointwise: products_of_linear}
    counting = FlopCounterMode(display=False, custom_mapping=counted)
    with tracker.engine.autocast(), counting as counter:
        run(model, video, queries, row)
    with tracker.engine.autocast():
        if row["compile"]:
            compile_model(model, row["model"], torch.device(row["device"]))
            run(model, video, queries, row)
        found = run(model, video, queries, row)
    most = matrix_product(DTYPES[row["dtype"]], row["device"])
    return {
        **found,
        "flop": counter.get_total_flops(),
        "peak": peak_gb(row["device"]),
        "most": most,
    }


def products_of_linear(x, weight, *_, **__):
    """Operations of a linear layer in one pass (motes.features.linear), from its shapes."""
    return 2 * math.prod(x) * weight[0]


def run(model, video, queries, row):
    """Seconds of encoding and of tracking."""
    begin, cpu = now(row["device"]), time.process_time()
    features = model.encode(video)
    encoded = now(row["device"])
    model.track(features, queries, row["iterations"])
    tracked = now(row["device"])
    return {
        "encode": encoded - begin,
        "track": tracked - encoded,
        "cpu": time.process_time() - cpu,
    }


def now(device):
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_gb(device):
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def matrix_product(dtype, device):
    """Operations per second of the fastest of ten large matrix products."""
    n = 2048 if device == "cpu" else 8192
    a, times = torch.randn(n, n, dtype=dtype, device=device), []
    for _ in range(10):
        begin = now(device)
        F.linear(a, a)
        times.append(now(device) - begin)
    return 2 * n**3 / min(times)


@torch.inference_mode()
def peaks():
    print("| operation | dtype | TFLOP per CPU s |\n| --- | --- | --- |")
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.randn(8192, 1536, dtype=dtype), torch.randn(384, 1536, dtype=dtype)
        x = torch.randn(2, 416, 96, 128, dtype=dtype).to(memory_format=torch.channels_last)
        w = torch.randn(256, 416, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        work = {
            "matrix product 8192x1536x384": (lambda a=a, b=b: F.linear(a, b), 8192 * 1536 * 384),
            "convolution 416 -> 256, 3x3, 96x128": (
                lambda x=x, w=w: F.conv2d(x, w, padding=1),
                2 * 96 * 128 * 9 * 416 * 256,
            ),
        }
        for name, (run, products) in work.items():
            print(f"| {name} | {str(dtype)[6:]} | {2 * products / best(run) / 1e12:.2f} |")


def best(run, repeats=5):
    """Processor seconds of the fastest of several runs, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


if __name__ == "__main__":
    main()
