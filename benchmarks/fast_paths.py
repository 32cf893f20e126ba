"""Processor time of each fast path and of its readable reference.

python benchmarks/fast_paths.py --threads 1
"""

import argparse
import time
from contextlib import ExitStack
from unittest.mock import patch

import torch
import torch.nn.functional as F

from motes.features import encoder as encoding
from motes.features.chunks import QUERIES_PER_CHUNK, in_chunks
from motes.features.correlation import correlate, query_patches, stack
from motes.features.deformable import sampling_positions
from motes.features.deformable_encoder import cell_centres
from motes.features.encoder import FrameEncoder, encode_video
from motes.features.enlarged import conv_by_joining
from motes.features.gather import (
    corners,
    deformable_sum_by_grid_sample,
    padded_table,
    weighted_sum,
)
from motes.models.cotracker3 import CoTracker3Config


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--points", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print("| part | plain s | fast s | ratio |\n| --- | --- | --- | --- |")
    with torch.inference_mode():
        compare("encoder", *encoders(arguments.frames))
        compare("patch correlation", *correlations(arguments.frames, arguments.points))
        compare("deformable attention", *lookups(arguments.frames))


def compare(part, plain, fast):
    slow, quick = seconds(plain), seconds(fast)
    print(f"| {part} | {slow:.2f} | {quick:.2f} | {slow / quick:.1f} |", flush=True)


def seconds(run):
    run()
    start = time.process_time()
    run()
    return time.process_time() - start


def encoders(frames):
    """PyTorch's memory order, instance norm and convolutions, against those of `FrameEncoder`."""
    c = CoTracker3Config()
    encoder = FrameEncoder(c.encoder_widths, c.encoder_mixed, c.channels, c.stride).eval()
    video = torch.rand(1, frames, 3, 384, 512)

    def plain():
        with ExitStack() as patches:
            patches.enter_context(patch.object(encoding, "instance_norm", F.instance_norm))
            patches.enter_context(patch.object(encoding, "convolve", lambda conv, x: conv(x)))
            patches.enter_context(patch.object(encoding, "conv_of_joined", conv_by_joining))
            patches.enter_context(patch.object(torch, "channels_last", torch.contiguous_format))
            encode_video(encoder, video, c.levels)

    return plain, lambda: encode_video(encoder, video, c.levels)


def correlations(frames, points):
    """49 samples of all channels from a 5-D grid sample, against one gather of 64 pixels."""
    levels = [torch.randn(1, frames, 96 // 2**i, 128 // 2**i, 128) for i in range(4)]
    volumes = [level.permute(0, 4, 1, 2, 3).contiguous() for level in levels]  # [1, C, T, h, w]
    xy = torch.rand(1, points, frames, 2) * 90
    support = query_patches(levels, torch.zeros(1, points, dtype=torch.long), xy[:, :, 0], 3)
    frame = torch.arange(frames).expand(points, frames)
    steps = torch.arange(-3.0, 4)
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).flatten(0, 1)

    def plain():
        for i, (volume, around) in enumerate(zip(volumes, support, strict=True)):
            at = (xy[0] / 2**i)[:, :, None] + offsets  # [N, T, 49, 2]
            t = torch.arange(frames).view(1, -1, 1, 1).expand(points, -1, 49, 1)
            size = torch.tensor([volume.shape[4], volume.shape[3], frames]) - 1
            grid = torch.cat([at, t], -1) * 2 / size - 1
            samples = F.grid_sample(volume, grid[None], padding_mode="border", align_corners=True)
            torch.einsum("cntp,nkc->ntpk", samples[0], around[0])

    def fast():
        for i, (level, around) in enumerate(zip(levels, support, strict=True)):
            for n in range(points):  # one point at a time, as in the model
                one = slice(n, n + 1)
                correlate(stack(level), around[0, one], frame[one], xy[0, one] / 2**i, 3)

    return plain, fast


def lookups(frames):
    """TAPTR's encoder at 256x256: one 4-D grid sample per map, against one weighted gather."""
    sizes, heads = ((64, 64), (32, 32), (16, 16), (8, 8)), 8
    centres = cell_centres(sizes, torch.device("cpu"))[None]
    offsets = torch.randn(1, centres.shape[1], heads * 4 * 4 * 2)
    at = sampling_positions(offsets, centres, sizes, (heads, 4, 4))
    values = torch.randn(1, centres.shape[1], 256)
    attention = torch.rand(at.shape[:-1])

    def plain():
        for _ in range(frames):
            deformable_sum_by_grid_sample(values, sizes, at, attention)

    def once():
        table = padded_table(values, sizes, heads, torch.float32)

        def look(at, attention):
            rows, share = corners(at, sizes)
            weight = share * attention.flatten(-2)[:, :, :, None]
            return weighted_sum(table, rows.flatten(3), weight.flatten(3))

        in_chunks(look, QUERIES_PER_CHUNK, at, attention)

    def fast():
        for _ in range(frames):
            once()

    return plain, fast


if __name__ == "__main__":
    main()
