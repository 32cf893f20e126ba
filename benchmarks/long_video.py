"""Memory on a video of any length, and a run that is killed in the middle.

    python benchmarks/long_video.py                          # 20,000 frames of 640x480
    python benchmarks/long_video.py --frames 4000 --model lk
    python benchmarks/long_video.py --folder runs/long       # keeps what is done, and goes on from it

Prints the peak memory of recording a tenth of the video and all of it, and whether a run that was
killed half-way and continued gives the same tracks as one that was not.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memory import generate

ONE = """
import json, resource, sys, time
import motes
from motes.recording import record
from motes.queries.grid import grid
path, folder, model, frames = sys.argv[1:]
video = motes.open_video(path, end=int(frames))
started = time.perf_counter()
record(motes.load(model), video, grid(10, video.size), folder)
print(json.dumps({"seconds": time.perf_counter() - started,
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--model", default="flow")
    parser.add_argument("--folder", type=Path, help="where to keep the video and the runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "video.mp4").exists():
            print(f"generating {arguments.frames} frames ...", flush=True)
            generate(folder / "video.mp4", arguments.frames)
        measure(folder, arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    print("| frames | frames/s | peak MB |\n|---|---|---|")
    for frames in (arguments.frames // 10, arguments.frames):
        found = whole(folder, arguments.model, frames)
        print(f"| {frames} | {frames / found['seconds']:.0f} | {found['peak']:.0f} |", flush=True)
    same = killed_and_continued(folder, arguments)
    print("killed in the middle and continued:", "the same tracks" if same else "OTHER TRACKS")
    sys.exit(not same)


def whole(folder: Path, model: str, frames: int) -> dict[str, float]:
    """What one uninterrupted run took; a run that was not finished begins again."""
    name = f"whole{frames}"
    report = folder / f"{name}.json"
    if not report.exists():
        shutil.rmtree(folder / name, ignore_errors=True)
        report.write_bytes(start(folder, name, model, frames).communicate()[0])
    found: dict[str, float] = json.loads(report.read_text())
    return found


def start(folder: Path, name: str, model: str, frames: int) -> "subprocess.Popen[bytes]":
    arguments = [folder / "video.mp4", folder / name, model, frames]
    command = [sys.executable, "-c", ONE, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def killed_and_continued(folder: Path, arguments: argparse.Namespace) -> bool:
    from motes.recording import Recording

    frames = arguments.frames
    process = start(folder, "killed", arguments.model, frames)
    while len(parts(folder / "killed")) < frames // 1000:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    start(folder, "killed", arguments.model, frames).wait()
    one, again = (Recording(folder / n).tracks() for n in (f"whole{frames}", "killed"))
    return one == again


def parts(folder: Path) -> list[Path]:
    return list(folder.glob("[0-9]*.npz"))


if __name__ == "__main__":
    main()
