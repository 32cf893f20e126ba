"""Processor time by number of points, frames and pixels, and the exponent of its growth.

    python benchmarks/scaling.py taptrv2-s                   # random weights
    python benchmarks/scaling.py flow --chart docs/images/scaling.png

An exponent of 1 is linear growth.  It is fitted to the upper half of each range, where fixed costs
matter little.  Points: tracked in one window of encoded frames.  Frames: encoded and tracked with
100 points.  Sides: of 8 frames with a single point.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from motes.models.base import Features, PointModel
from motes.tracking.load import presets

POINTS = (100, 300, 1_000, 3_000, 10_000)
FRAMES = (16, 32, 64, 128, 256)
SIDES = (128, 192, 256, 384, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="taptrv2-s")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--max-points", type=int, default=POINTS[-1])
    parser.add_argument("--chart", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    preset = presets()[arguments.model]
    model = preset.build(preset.config).eval()
    curves = measure(model, arguments)
    for name, (amounts, seconds) in curves.items():
        report(name, amounts, seconds)
    if arguments.chart:
        draw(arguments.chart, arguments.model, curves)


def measure(
    model: PointModel, arguments: argparse.Namespace
) -> dict[str, tuple[tuple[int, ...], list[float]]]:
    side, frames = arguments.side, model.schedule.window or 16
    points = tuple(n for n in POINTS if n <= arguments.max_points)
    return {
        "points": (points, [tracking(model, encode(model, side, frames), n) for n in points]),
        "frames": (FRAMES, [cpu(lambda t=t: whole(model, side, t, 100)) for t in FRAMES]),
        "side": (SIDES, [cpu(lambda s=s: whole(model, s, 8, 1)) for s in SIDES]),
    }


def encode(model: PointModel, side: int, frames: int) -> Features:
    """Features of noise."""
    with torch.inference_mode():
        return model.encode(torch.rand(1, frames, 3, side, side))


def tracking(model: PointModel, features: Features, points: int) -> float:
    return cpu(lambda: track(model, features, points))


def track(model: PointModel, features: Features, points: int) -> None:
    xy = torch.rand(1, points, 2) * 128
    with torch.inference_mode():
        model.track(features, torch.cat([torch.zeros(1, points, 1), xy], -1))


def whole(model: PointModel, side: int, frames: int, points: int) -> None:
    track(model, encode(model, side, frames), points)


def cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def exponent(amounts: tuple[int, ...], seconds: list[float]) -> float:
    half = len(amounts) // 2
    return float(np.polyfit(np.log(amounts[half:]), np.log(seconds[half:]), 1)[0])


def report(name: str, amounts: tuple[int, ...], seconds: list[float]) -> None:
    print(f"| {name} | " + " | ".join(map(str, amounts)) + " | exponent |")
    print("|" + "---|" * (len(amounts) + 2))
    cells = " | ".join(f"{s:.2f}" for s in seconds)
    print(f"| CPU s | {cells} | {exponent(amounts, seconds):.2f} |\n", flush=True)


def draw(path: Path, model: str, curves: dict[str, tuple[tuple[int, ...], list[float]]]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True, constrained_layout=True)
    for axis, (name, (amounts, seconds)) in zip(axes, curves.items(), strict=True):
        axis.loglog(amounts, seconds, "o-")
        axis.set_title(f"{name}: exponent {exponent(amounts, seconds):.2f}")
        axis.set_xlabel(name)
        axis.set_xticks(amounts, labels=[str(amount) for amount in amounts])
        axis.set_xticks([], minor=True)
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("processor time, s")
    figure.suptitle(model)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
