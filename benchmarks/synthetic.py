"""Speed and examples of synthetic clips: the table and the picture of the docs.

python benchmarks/synthetic.py                  # the table of docs/howto/synthetic.md
python benchmarks/synthetic.py --sheet docs/images/synthetic.jpg     # its first picture
python benchmarks/synthetic.py --special --sheet docs/images/synthetic_special.jpg    # its second
"""

import argparse
import colorsys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch

from motes.data.sample import Sample
from motes.synthetic import SyntheticConfig, Textures, synthesize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--textures")
    parser.add_argument("--sheet", help="file of a picture of some clips, instead of the table")
    parser.add_argument("--special", action="store_true", help="clips that are off by default")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    textures = Textures(options.textures)
    if options.sheet:
        cv2.imwrite(
            options.sheet,
            sheet(textures, SPECIAL if options.special else USUAL),
            [cv2.IMWRITE_JPEG_QUALITY, 80],
        )
    else:
        table(options, textures)


def table(options: argparse.Namespace, textures: Textures) -> None:
    print("| kind | size | clips/s | CPU seconds per clip |")
    print("|---|---|---|---|")
    for size in (128, 256):
        for kind in ("layers", "solids", "mixed"):
            config = SyntheticConfig(kind=kind, size=(size, size))
            wall, cpu = measure(config, textures, options.clips, options.device)
            print(f"| {kind} | {size}x{size} | {1 / wall:.2f} | {cpu:.2f} |", flush=True)


def measure(
    config: SyntheticConfig, textures: Textures, clips: int, device: str
) -> tuple[float, float]:
    """Wall time and process time of one clip, in seconds."""
    synthesize(replace(config, frames=2), [0], device, textures)
    start, used = time.perf_counter(), time.process_time()
    synthesize(config, range(clips), device, textures)
    if device != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / clips, (time.process_time() - used) / clips


USUAL = (({"kind": "layers"}, (3, 12, 20)), ({"kind": "solids"}, (4, 7, 9)))
MOVERS = {"kind": "layers", "still": 1.0, "layers": (0, 3), "movers": (6, 12)}
BOARDS = {"kind": "layers", "repeated": 1.0, "layers": (1, 5), "radius": (0.15, 0.6)}
SPECIAL = (
    (MOVERS, (5,)),
    (BOARDS, (3, 11)),
    ({"kind": "layers", "light_changes": 1.0, "video_coding": 1.0}, (6,)),
    ({"kind": "layers", "defocus": 1.0}, (2,)),
)
"""What differs from the defaults, and seeds."""


def sheet(textures: Textures, clips: Sequence[tuple[dict[str, Any], Sequence[int]]]) -> np.ndarray:
    """One clip per row: five frames with tracks."""
    rows = []
    for changes, seeds in clips:
        config = SyntheticConfig(size=(192, 192), points=64, **changes)
        for sample in synthesize(config, seeds, textures=textures.looking_like(config)):
            frames = [draw(sample, t) for t in torch.linspace(0, 23, 5).long().tolist()]
            rows.append(np.hstack(frames))
    return np.vstack(rows)


def draw(sample: Sample, t: int) -> np.ndarray:
    """A frame (BGR) with its tracks: filled where visible, hollow where hidden."""
    frame = np.ascontiguousarray(sample.video[t].permute(1, 2, 0).numpy()[..., ::-1])
    for k in range(sample.num_points):
        if sample.valid[t, k]:
            colour = [255 * c for c in colorsys.hsv_to_rgb(k / sample.num_points, 0.9, 1)]
            centre = (sample.xy[t, k].clamp(-99, 999) * 16).round().int().tolist()
            thickness = cv2.FILLED if sample.visible[t, k] else 1
            cv2.circle(frame, centre, 40, colour, thickness, cv2.LINE_AA, shift=4)
    return frame


if __name__ == "__main__":
    main()
