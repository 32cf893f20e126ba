"""Time, memory and agreement of TAPTRv2 in float32 and bfloat16.

    python benchmarks/taptr_speed.py                 # 50 frames of 256x256, 256 points; minutes
    python benchmarks/taptr_speed.py --weights taptrv2.pth

Without a weights file the weights are random, chosen so that points move.  Each number type runs in
a separate process, for separate peaks of memory.  Processor time is more reliable than wall time if
other programs are running.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DTYPES = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="official checkpoint or ours")
    parser.add_argument("--model", default="taptrv2")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("DTYPE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run(options, *options.one)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {dtype: in_new_process(dtype, Path(folder)) for dtype in DTYPES}
    print("| numbers | wall: s | processor: s | peak: MB |")
    print("|---|---|---|---|")
    for dtype, (_, wall, cpu, peak) in found.items():
        print(f"| {dtype} | {wall:.1f} | {cpu:.1f} | {peak:.0f} |")
    difference = np.linalg.norm(found["bfloat16"][0] - found["float32"][0], axis=-1)
    moved = np.linalg.norm(found["float32"][0] - found["float32"][0][:1], axis=-1)
    median, high = np.percentile(difference, (50, 95))
    print(f"difference of bfloat16: {median:.3f} px (median), {high:.3f} px (95%)")
    print(f"the points moved by {np.median(moved):.2f} px (median)")


def in_new_process(dtype: str, folder: Path) -> tuple[np.ndarray, float, float, float]:
    """Run in a separate process: positions, seconds, seconds of processor time, MB."""
    file = folder / f"{dtype}.npz"
    subprocess.run([sys.executable, *sys.argv, "--one", dtype, str(file)], check=True)
    stored = np.load(file)
    return stored["xy"], *(float(v) for v in stored["measured"])


def run(options: argparse.Namespace, dtype: str, file: str) -> None:
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    tracker = load(options, dtype)
    side = options.size
    video = footage(options.frames, side)
    queries = torch.rand(1, options.points, 3) * torch.tensor([0, side - 1, side - 1])
    with torch.inference_mode(), tracker.engine.autocast():
        tracker.model.encode(video[:, :1])  # warm-up
        wall, cpu = time.perf_counter(), time.process_time()
        found = tracker.model(video, queries)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(file, xy=found.xy[0].numpy(), measured=[wall, cpu, peak])


def load(options: argparse.Namespace, dtype: str):
    """A tracker with the given weights, or with random ones that move points."""
    import torch

    import motes
    from motes.tracking.load import presets
    from motes.tracking.number_types import DTYPES
    from motes.tracking.tracker import Tracker

    if options.weights:
        return motes.load(options.model, weights=options.weights, device="cpu", dtype=dtype)
    preset = presets()[options.model]
    model = preset.build(preset.config).eval()
    for head in model.decoder.positions:
        torch.nn.init.normal_(head[-1].weight, std=0.001)
    for layer in model.decoder.layers:
        layer.cross.offsets.weight.data.mul_(0.03)
    return Tracker(model, preset, DTYPES[dtype])


def footage(frames: int, side: int):
    """A smooth random texture that drifts, float ``[1, T, 3, side, side]``."""
    import torch

    texture = torch.nn.functional.interpolate(
        torch.rand(1, 3, 48, 48), size=2 * side, mode="bicubic", align_corners=False
    )[0].clamp(0, 1)
    views = [texture[:, t : t + side, 2 * t : 2 * t + side] for t in range(frames)]
    return torch.stack(views)[None]


if __name__ == "__main__":
    main()
