"""Time, size and memory of writing 10,000 points x 1,000 frames in every text format.

    python benchmarks/export.py [--points 10000] [--frames 1000] [--only .nk .jsx]

Each format is written by a separate process.  Memory is the peak of the process while it writes,
minus its memory before: without the tracks and the libraries.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from motes import Tracks
from motes.export import formats, save

BINARY = (".npz", ".h5", ".db", ".parquet")


def make(points: int, frames: int) -> Tracks:
    """Random walks through a picture of 1920 x 1080, 80 % visible."""
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 1, (points, frames, 2)).astype(np.float32).cumsum(1)
    xy = rng.uniform((0, 0), (1920, 1080), (points, 1, 2)).astype(np.float32) + steps
    visible = rng.random((points, frames)) < 0.8
    return Tracks(xy, visible, rng.random((points, frames)), size=(1920, 1080), fps=25)


def memory(field: str) -> float:
    """A field of the process's status in Linux: VmRSS (now) or VmHWM (the peak), in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def measure(suffix: str, points: int, frames: int) -> None:
    """Write one file, and print time, size and memory as JSON."""
    save(make(2, 2), Path(tempfile.gettempdir(), f"warm{suffix}"))
    tracks = make(points, frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"t{suffix}")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
        save(tracks, path)
        elapsed = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps([*elapsed, path.stat().st_size / 1e6, memory("VmHWM") - before]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=1_000)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--child")
    args = parser.parse_args()
    if args.child:
        measure(args.child, args.points, args.frames)
        return
    known = [s for s, f in formats().items() if not s.endswith(BINARY) and f.points is None]
    print("| format | seconds | of CPU | file, MB | memory, MB |\n|---|---:|---:|---:|---:|")
    for suffix in args.only or sorted(known):
        command = [sys.executable, __file__, "--child", suffix]
        command += ["--points", str(args.points), "--frames", str(args.frames)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, cpu, size, extra = json.loads(run.stdout)
        print(f"| `{suffix}` | {seconds:.0f} | {cpu:.0f} | {size:.0f} | {extra:.0f} |", flush=True)


if __name__ == "__main__":
    main()
