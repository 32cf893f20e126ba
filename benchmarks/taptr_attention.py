"""Full attention among points against proxy attention: time and memory by number of points.

    python benchmarks/taptr_attention.py -o docs/images/taptr_attention.png

One window of 8 frames of 256x256 in the decoder of taptrv2-s, with its K proxy tokens and with full
attention.  The memory of full attention is linear as well, because it is computed in blocks; its
time is quadratic.  Every measurement runs in a separate process.  Processor time is more reliable
than wall time if other programs are running.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

COUNTS = (100, 300, 1000, 3000, 10000)
KINDS = ("full", "proxy")
SIDE = 256


@dataclass(frozen=True)
class Measured:
    """Cost of one window: wall time and processor time in seconds, and MB beyond the model."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="chart, PNG")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of points")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "POINTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        found = measure(options.one[0], int(options.one[1]), options.threads)
        print(json.dumps(asdict(found)))
        return
    table = {
        kind: [in_new_process(kind, n, options.threads) for n in options.counts] for kind in KINDS
    }
    print_table(options.counts, table)
    if options.output:
        draw(options.counts, table, options.output)


def in_new_process(kind: str, points: int, threads: int) -> Measured:
    """Measure in a separate process."""
    command = [sys.executable, __file__, "--one", kind, str(points), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def measure(kind: str, points: int, threads: int) -> Measured:
    import torch

    from motes.models.taptr import TAPTR_V2_S, Taptr

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = TAPTR_V2_S.config
    model = Taptr(config if kind == "proxy" else replace(config, proxies=None)).eval()
    queries = torch.rand(1, points, 3) * torch.tensor([0, SIDE - 1, SIDE - 1])
    with torch.inference_mode():
        features = model.encode(torch.rand(1, 8, 3, SIDE, SIDE))
        model.advance(model.start(queries[:, :8]), features, queries[:, :8], 0)
        reset_peak()
        before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
        model.advance(model.start(queries), features, queries, 0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Measured(wall, cpu, memory("VmHWM") - before)


def reset_peak() -> None:
    """Return unused memory to the system, and reset the peak."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def memory(kind: str) -> float:
    """Memory of this process in MB: ``VmRSS`` now, ``VmHWM`` at its peak (Linux only)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def print_table(counts: Sequence[int], table: dict[str, list[Measured]]) -> None:
    print("| points | full: s | (processor) | proxy: s | (processor) | full: MB | proxy: MB |")
    print("|---|---|---|---|---|---|---|")
    for n, full, proxy in zip(counts, table["full"], table["proxy"], strict=True):
        times = f"{full.wall:.2f} | {full.cpu:.2f} | {proxy.wall:.2f} | {proxy.cpu:.2f}"
        print(f"| {n:,} | {times} | {full.memory:.0f} | {proxy.memory:.0f} |")


def draw(counts: Sequence[int], table: dict[str, list[Measured]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    time_axis, memory_axis = figure.subplots(1, 2)
    for kind, color in zip(KINDS, ("#c44e52", "#4c72b0"), strict=True):
        label = f"{kind} attention"
        rows = table[kind]
        time_axis.loglog(counts, [m.cpu for m in rows], "o-", color=color, label=label)
        memory_axis.semilogx(counts, [m.memory for m in rows], "o-", color=color, label=label)
    time_axis.set_ylabel("processor time of one window (s)")
    memory_axis.set_ylabel("peak memory of one window (MB)")
    for axis in (time_axis, memory_axis):
        axis.set_xlabel("points")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
