"""Track real clips with one model and draw four frames of each, to be looked at.

    python benchmarks/looked_at.py VIDEOS TRACKS docs/images/looked_at.jpg

Clips are tracked over their first 32 frames from a grid of 12 x 12 points of the first one.  Tracks
are kept in the folder TRACKS; those that are there are not made again.  Hidden points are white.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

import motes
from motes.tracks import Tracks

FRAMES, GRID = 32, 12
SHOWN = (0, 10, 21, 31)
TILE = {True: 160, False: 70}
"""Width in pixels of a frame, by whether it is wider than high."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", help="default: the default model")
    arguments = parser.parse_args()
    tracker = motes.load(arguments.model) if arguments.model else motes.load()
    rows = []
    for path in sorted(arguments.videos.glob("*.mp4")):
        video, kept = motes.open_video(path, end=FRAMES), arguments.tracks / f"{path.stem}.npz"
        if not kept.exists():
            tracker.track(video, grid=GRID).save(kept)
        tracks = Tracks.load(kept)
        print(f"{path.stem}: {tracks.visible.mean():.0%} visible", flush=True)
        rows.append(drawn(video.read(0, FRAMES), tracks, path.stem))
    half = -(-len(rows) // 2)
    columns = [stacked(rows[:half]), stacked(rows[half:])]
    height = max(len(column) for column in columns)
    padded = [
        np.pad(c, ((0, height - len(c)), (0, 4), (0, 0)), constant_values=255) for c in columns
    ]
    page = np.hstack(padded)[..., ::-1]
    cv2.imwrite(str(arguments.picture), page, [cv2.IMWRITE_JPEG_QUALITY, 72])


def stacked(rows: list[np.ndarray]) -> np.ndarray:
    width = max(row.shape[1] for row in rows)
    edges = [((0, 3), (0, width - row.shape[1]), (0, 0)) for row in rows]
    return np.vstack([np.pad(r, e, constant_values=255) for r, e in zip(rows, edges, strict=True)])


def drawn(frames: np.ndarray, tracks: Tracks, name: str) -> np.ndarray:
    """Four frames of a clip side by side, with their points."""
    H, W = frames.shape[1:3]
    scale = TILE[W > H] / W
    ramp = (np.arange(tracks.num_points) * 255 // tracks.num_points).astype(np.uint8)[:, None]
    colors = cv2.applyColorMap(ramp, cv2.COLORMAP_HSV)[:, 0, ::-1].tolist()
    tiles = []
    for t in SHOWN:
        tile = cv2.resize(frames[t], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for (x, y), visible, color in zip(
            tracks.xy[:, t] * scale, tracks.visible[:, t], colors, strict=True
        ):
            at = round(float(x)), round(float(y))
            cv2.circle(tile, at, 1, color if visible else (255, 255, 255), -1 if visible else 1)
        tiles.append(tile)
    row = np.hstack(tiles)
    for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(row, name, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.36, color, width, cv2.LINE_AA)
    return row


if __name__ == "__main__":
    main()
