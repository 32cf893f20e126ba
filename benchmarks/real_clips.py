"""Track and draw every clip of a folder, and write and read the tracks in every format.

    python benchmarks/real_clips.py videos
    python benchmarks/real_clips.py videos --model lk --keep pictures

Prints one row per clip, and fails if a file is not read as it was written.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import motes
from motes.export import formats
from motes.rendering import plot
from motes.tracking.tracker import Tracker
from motes.tracks import Tracks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="flow")
    parser.add_argument("--grid", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="folder for the videos and sheets")
    arguments = parser.parse_args()
    tracker = motes.load(arguments.model)
    print("| clip | size | frames | points | visible | track f/s | draw f/s | read back |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        output = arguments.keep or Path(name)
        output.mkdir(parents=True, exist_ok=True)
        clips = sorted(arguments.folder.glob("*.mp4"))
        equal = [process(tracker, clip, arguments.grid, output) for clip in clips]
    sys.exit(not all(equal))


def process(tracker: Tracker, clip: Path, grid: int, output: Path) -> bool:
    video = motes.open_video(clip)
    started = time.process_time()
    tracks = tracker.track(video, grid=grid)
    tracked = time.process_time()
    motes.render(video, tracks, output / f"{clip.stem}.mp4")
    drawn = time.process_time()
    plot(video, tracks, output / f"{clip.stem}.jpg")
    equal = read_back(tracks, output / clip.stem)
    W, H = video.size
    T = tracks.num_frames
    print(
        f"| {clip.stem} | {W}x{H} | {T} | {len(tracks)} | {tracks.visible.mean():.0%} "
        f"| {T / (tracked - started):.0f} | {T / (drawn - tracked):.0f} "
        f"| {'equal' if equal else 'DIFFERENT'} |",
        flush=True,
    )
    return equal


def read_back(tracks: Tracks, stem: Path) -> bool:
    """Whether every format that can be read gives the same tracks."""
    paths = [stem.with_suffix(suffix) for suffix, known in formats().items() if known.read]
    for path in paths:
        tracks.save(path)
    equal = all(Tracks.load(path) == tracks for path in paths)
    for path in paths:
        path.unlink()
    return equal


if __name__ == "__main__":
    main()
