"""A long video split over a cluster: are the tracks those of the unsplit video, and how fast is it?

    python benchmarks/split.py --model lk
    python benchmarks/split.py --model flow
    python benchmarks/split.py --model cotracker3-online --frames 48 --points 4

A local Ray cluster of 2 workers tracks a clip in four stretches; this process tracks it whole, with
one thread.  A model whose weights are not there runs with random ones, which makes points jump
about: what is compared is the arithmetic.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

import motes
from motes.batch.cluster import run_cluster
from motes.batch.jobs import Job, Options
from motes.batch.work import track_video

WORKERS, STRETCHES = 2, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flow")
    parser.add_argument("--weights", help="checkpoint of the model")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--points", type=int, default=10, help="side of the grid")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 72), metavar=("W", "H"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder / "clip.mp4", arguments.frames, arguments.size)
        weights = arguments.weights or random_weights(arguments.model, folder)
        options = Options(model=arguments.model, weights=weights, grid=arguments.points)
        compare(Job("tracks", str(clip), options, ("npz",)), folder, arguments.frames)


def compare(job: Job, folder: Path, frames: int) -> None:
    """Track whole and split, and print what differs."""
    whole = timed(lambda: track_video(job, str(folder / "whole")))
    split = timed(lambda: run_split(job, folder / "split", frames))
    a, b = (motes.Tracks.load(folder / kind / "tracks.npz") for kind in ("whole", "split"))
    print(f"{job.options.model}: {frames} frames of {a.size[0]}x{a.size[1]}, {len(a)} points")
    same = (folder / "whole/tracks.npz").read_bytes() == (folder / "split/tracks.npz").read_bytes()
    print(f"  files:                {'the same bytes' if same else 'DIFFERENT'}")
    print(f"  largest difference:   {np.abs(a.xy - b.xy).max():g} px")
    print(f"  visibility differs:   in {(a.visible != b.visible).sum()} of {a.visible.size}")
    print(f"  whole, 1 process:     {whole}")
    print(f"  split, {WORKERS} workers:     {split}")


def run_split(job: Job, folder: Path, frames: int) -> None:
    """Track in four stretches; what the nodes raise is raised here."""
    *_, last = run_cluster([job], str(folder), stretch=-(-frames // STRETCHES))
    if last.state != "done":
        raise SystemExit(last.value)


def make_clip(path: Path, frames: int, size: tuple[int, int]) -> Path:
    """A texture that swings to and fro, with a square in front that moves against it."""
    W, H = size
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (H // 4, W // 2, 3), np.uint8)
    texture = cv2.resize(noise, (2 * W, H + 16), interpolation=cv2.INTER_CUBIC)
    with motes.open_writer(path, (W, H), 25) as writer:
        for t in range(frames):
            x = round(W / 2 + W / 2 * np.sin(t / 40))
            frame = np.ascontiguousarray(texture[8 : 8 + H, x : x + W])
            left = round((W - 16) * (0.5 + 0.5 * np.cos(t / 25)))
            frame[H // 3 : H // 3 + 16, left : left + 16] = noise[:8, :8].repeat(2, 0).repeat(2, 1)
            writer.write(frame)
    return path


def random_weights(name: str, folder: Path) -> str | None:
    """A file of random weights for a model whose own are not part of motes; else None."""
    from safetensors.torch import save_file

    from motes.tracking.load import presets

    preset = presets()[name]
    if preset.weights is None or preset.weights.embedded:
        return None
    torch.manual_seed(0)
    model = preset.build(preset.config)
    torch.nn.init.normal_(model.motion.weight, std=0.1)
    path = folder / "random.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    return str(path)


def timed(work: Callable[[], object]) -> str:
    """Run, and say how long it took."""
    load, start = os.getloadavg()[0], time.perf_counter()
    work()
    return f"{time.perf_counter() - start:.1f} s (load of the machine before: {load:.0f})"


def start_cluster() -> None:
    """Start Ray and its workers, which takes seconds that are not measured."""
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    warm = ray.remote(num_cpus=1)(_import_motes)
    ray.get([warm.remote() for _ in range(2 * WORKERS)])


def _import_motes() -> None:
    import motes.batch.work
    import motes.tracking.load  # noqa: F401


if __name__ == "__main__":
    start_cluster()
    main()
