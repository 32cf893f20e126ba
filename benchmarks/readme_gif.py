"""The moving picture of the README: the default model on the bundled clip.

python benchmarks/readme_gif.py docs/images/demo.gif
"""

import sys
from importlib.resources import files

import numpy as np

import motes

EVERY, FRAMES = 2, 28


def main() -> None:
    clip = motes.open_video(str(files("motes") / "assets" / "demo.mp4"), end=EVERY * FRAMES)
    frames = np.stack(list(clip))
    tracks = motes.load().track(frames, grid=14)
    shown = motes.Tracks(
        tracks.xy[:, ::EVERY],
        tracks.visible[:, ::EVERY],
        size=tracks.size,
        fps=tracks.fps / EVERY,
    )
    motes.render(frames[::EVERY], shown, sys.argv[1], tail=10, scale=0.75)


if __name__ == "__main__":
    main()
