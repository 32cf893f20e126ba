"""How fast synthetic clips are made: prints the table of docs/synthetic.md.

Usage: python benchmarks/synthetic.py [--clips 8] [--threads 2] [--device cpu] [--textures FOLDER]
"""

import argparse
import time
from dataclasses import replace

import torch

from motes.data.synthetic import SyntheticConfig, Textures, synthesize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--textures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    textures = Textures(options.textures)
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
    begin, used = time.perf_counter(), time.process_time()
    synthesize(config, range(clips), device, textures)
    if device != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / clips, (time.process_time() - used) / clips


if __name__ == "__main__":
    main()
