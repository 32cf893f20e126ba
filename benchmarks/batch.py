"""Many short clips in a batch: the cost of workers, and equal outputs after kills.

    python benchmarks/batch.py
    python benchmarks/batch.py --clips 40 --kills 3 --model flow

Three runs over the same clips: one by one in a single process, with N workers, and with N workers
and SIGKILL at random moments until all clips are done.  The outputs of the last two are compared
byte for byte.  Processor time counts all processes, with their start.
"""

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import motes

ONE_BY_ONE = """
import sys
from pathlib import Path
import cv2, torch
import motes
torch.set_num_threads(1)
cv2.setNumThreads(1)
clips, out, model = sys.argv[1:]
tracker = motes.load(model)
for clip in sorted(Path(clips).iterdir()):
    tracker.track(clip, grid=10).save(Path(out) / f"{clip.stem}.npz")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, nargs=2, default=(128, 96), metavar=("W", "H"))
    parser.add_argument("--model", default="lk")
    arguments = parser.parse_args()
    print("load of the machine: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    with tempfile.TemporaryDirectory() as folder:
        clips, alone, steady, killed = (
            Path(folder) / n for n in ("c", "alone", "steady", "killed")
        )
        make_clips(clips, arguments.clips, arguments.frames, arguments.size)
        alone.mkdir()
        command = [sys.executable, "-c", ONE_BY_ONE, str(clips), str(alone), arguments.model]
        report("one by one", lambda: subprocess.run(command, check=True), arguments)
        name = f"{arguments.workers} workers"
        report(name, lambda: start(clips, steady, arguments).wait(), arguments)
        same = read(alone, motes.Tracks.load) == read(steady, motes.Tracks.load)
        print(f"one by one, and with workers: {'the same tracks' if same else 'DIFFERENT'}")
        starts = with_kills(clips, killed, arguments)
        same = read(steady, Path.read_bytes) == read(killed, Path.read_bytes)
        print(f"{starts - 1} kills, {starts} starts: {'the same bytes' if same else 'DIFFERENT'}")


def report(name: str, work: Callable[[], object], arguments: argparse.Namespace) -> None:
    """Run, and print processor seconds and seconds."""
    before, started = children_seconds(), time.perf_counter()
    work()
    cpu, wall = children_seconds() - before, time.perf_counter() - started
    each = 1000 * cpu / arguments.clips
    print(f"{name}: {cpu:.1f} s of processors ({each:.0f} ms a clip), {wall:.1f} s", flush=True)


def children_seconds() -> float:
    """Processor seconds of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def make_clips(folder: Path, count: int, frames: int, size: tuple[int, int]) -> None:
    """Drifting textures."""
    folder.mkdir()
    W, H = size
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.integers(0, 255, (H // 4 + frames // 4, W // 4 + frames // 2, 3), np.uint8)
        texture = cv2.resize(noise, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        with motes.open_writer(folder / f"{number:04d}.mp4", size, 25) as writer:
            for t in range(frames):
                writer.write(np.ascontiguousarray(texture[t : t + H, 2 * t :][:, :W]))


def start(clips: Path, out: Path, arguments: argparse.Namespace) -> subprocess.Popen:
    """Start `motes batch`."""
    command = [sys.executable, "-m", "motes", "batch", str(clips), "-o", str(out)]
    command += ["--model", arguments.model, "--grid", "10", "--workers", str(arguments.workers)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def with_kills(clips: Path, out: Path, arguments: argparse.Namespace) -> int:
    """Run until all clips are done; gives the number of starts.

    Each kill comes at a random moment after a random number of clips is done.
    """
    dice = random.Random(0)
    for done in sorted(dice.sample(range(1, arguments.clips), arguments.kills)):
        process = start(clips, out, arguments)
        while len(list(out.glob("*.npz"))) < done and process.poll() is None:
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    start(clips, out, arguments).wait()
    return arguments.kills + 1


def read(folder: Path, content: Callable[[Path], object]) -> dict[str, object]:
    """The content of all outputs, by name."""
    return {path.name: content(path) for path in folder.glob("*.npz")}


if __name__ == "__main__":
    main()
