"""Many short clips in a batch: speed of workers, and equal outputs after kills.

    python benchmarks/batch.py
    python benchmarks/batch.py --clips 40 --kills 3 --model lk

Three runs over the same clips: sequentially in this process, with N workers, and with N workers and
SIGKILL at random moments until all clips are done. The outputs of the last two are compared byte
for byte.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import motes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--model", default="flow")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips, steady, killed = (Path(folder) / name for name in ("clips", "steady", "killed"))
        make_clips(clips, arguments.clips, arguments.frames)
        alone = sequential(clips, arguments.model)
        print(f"sequential, one thread:   {alone:6.1f} s")
        together = seconds(lambda: batch(clips, steady, arguments).wait())
        rate = alone / together / arguments.workers
        print(
            f"{arguments.workers} workers:                {together:6.1f} s, {rate:.0%} per worker"
        )
        kills = with_kills(clips, killed, arguments, together)
        same = contents(steady) == contents(killed)
        print(f"{kills} kills, then finished: {'the same bytes' if same else 'OUTPUTS DIFFER'}")


def make_clips(folder: Path, count: int, frames: int) -> None:
    """Drifting textures of 256x256 pixels."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.integers(0, 255, (80, 90, 3), np.uint8)
        texture = cv2.resize(noise, (360, 320), interpolation=cv2.INTER_CUBIC)
        with motes.open_writer(folder / f"{number:04d}.mp4", (256, 256), 25) as writer:
            for t in range(frames):
                writer.write(np.ascontiguousarray(texture[t : t + 256, 2 * t :][:, :256]))


def sequential(clips: Path, model: str) -> float:
    """Seconds to track all clips in this process, with one thread."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    tracker = motes.load(model)

    def work() -> None:
        for clip in sorted(clips.iterdir()):
            tracker.track(clip, grid=10).save(clips.parent / "alone.npz")

    return seconds(work)


def batch(clips: Path, out: Path, arguments: argparse.Namespace) -> subprocess.Popen:
    """Start `motes batch`."""
    command = [sys.executable, "-m", "motes", "batch", str(clips), "-o", str(out)]
    command += ["--model", arguments.model, "--grid", "10", "--workers", str(arguments.workers)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def with_kills(clips: Path, out: Path, arguments: argparse.Namespace, usual: float) -> int:
    """Run until all clips are done; the first runs are killed at random moments."""
    dice = random.Random(0)
    for _ in range(arguments.kills):
        process = batch(clips, out, arguments)
        time.sleep(dice.uniform(2, max(4, 2 * usual / arguments.kills)))
        process.send_signal(signal.SIGKILL)
        process.wait()
    batch(clips, out, arguments).wait()
    return arguments.kills


def contents(folder: Path) -> dict[str, bytes]:
    """All outputs by name."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if "ledger" not in p.name}


def seconds(work) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
