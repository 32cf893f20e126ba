"""Memory of a recording by the length of the video, and a recording that is killed half-way.

    python benchmarks/long_video.py                          # 20,000 frames of 640x480
    python benchmarks/long_video.py --frames 4000 --model lk
    python benchmarks/long_video.py --folder runs/long       # keeps the results, and continues

Prints the peak memory of a recording after a tenth of the video and after all of it, and whether a
run that was killed with SIGKILL and continued gives the same tracks as an uninterrupted one.  To
save time, the run to be killed starts from a copy of the other run's files half-way.
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
from motes.tracking.recording import record
from motes.queries.grid import grid
path, folder, model, frames, report = sys.argv[1:]
video = motes.open_video(path, end=int(frames))
rows, done = [], 0
started = time.perf_counter()

def advance(n=1):
    global done
    done += n
    if done in (int(frames) // 10, int(frames)):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append((done, done / (time.perf_counter() - started), peak))

record(motes.load(model), video, grid(10, video.size), folder, progress=advance)
if report:
    open(report, "w").write(json.dumps(rows))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--model", default="flow")
    parser.add_argument("--folder", type=Path, help="folder of the video and the runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "video.mp4").exists():
            print(f"generating {arguments.frames} frames ...", flush=True)
            generate(folder / "video.mp4", arguments.frames)
        measure(folder, arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    print("| frames | frames/s | peak MB |\n|---|---|---|", flush=True)
    for frames, speed, peak in uninterrupted(folder, arguments):
        print(f"| {frames} | {speed:.1f} | {peak:.0f} |", flush=True)
    same = killed_and_continued(folder, arguments)
    print("killed in the middle and continued:", "the same tracks" if same else "DIFFERENT TRACKS")
    sys.exit(not same)


def uninterrupted(folder: Path, arguments: argparse.Namespace) -> list[tuple[int, float, float]]:
    """Speed and memory after a tenth and at the end; an unfinished run starts again."""
    report, half = folder / "whole.json", max(1, arguments.frames // 1000)
    if not report.exists():
        shutil.rmtree(folder / "whole", ignore_errors=True)
        shutil.rmtree(folder / "killed", ignore_errors=True)
        process = start(folder, "whole", arguments, report)
        wait_for(folder / "whole", half, process)
        copy_files(process, folder / "whole", folder / "killed")
        process.wait()
    found: list[tuple[int, float, float]] = json.loads(report.read_text())
    return found


def copy_files(process: "subprocess.Popen[bytes]", folder: Path, to: Path) -> None:
    """Copy the files of a process as if it had been killed now."""
    process.send_signal(signal.SIGSTOP)
    shutil.copytree(folder, to)
    process.send_signal(signal.SIGCONT)


def start(
    folder: Path, name: str, arguments: argparse.Namespace, report: Path | str = ""
) -> "subprocess.Popen[bytes]":
    values = (folder / "video.mp4", folder / name, arguments.model, arguments.frames, report)
    return subprocess.Popen([sys.executable, "-c", ONE, *map(str, values)])


def killed_and_continued(folder: Path, arguments: argparse.Namespace) -> bool:
    from motes.tracking.recording import Recording

    process = start(folder, "killed", arguments)
    wait_for(folder / "killed", len(parts(folder / "killed")) + 1, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    start(folder, "killed", arguments).wait()
    one, again = (Recording(folder / name).tracks() for name in ("whole", "killed"))
    return one == again


def wait_for(folder: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until `count` parts are on disk, or the process has ended."""
    while len(parts(folder)) < count and process.poll() is None:
        time.sleep(0.1)


def parts(folder: Path) -> list[Path]:
    return list(folder.glob("[0-9]*.npz"))


if __name__ == "__main__":
    main()
