"""Largest difference and time of the Triton kernels and their PyTorch references, on a GPU.

    python benchmarks/kernels.py
    python benchmarks/kernels.py --dtype bfloat16 --points 1000

Sizes are those of CoTracker3 (48 frames of 384x512) and of TAPTRv2 (8 frames of 256x256).
"""

import argparse
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from motes.features import correlation, deformable
from motes.features.correlation import PatchCorrelation, point_correlation
from motes.features.deformable import KeyAwareDeformableAttention
from motes.features.deformable_encoder import DeformableEncoder
from motes.features.pyramid import Pyramid
from motes.tracking.number_types import DTYPES

SIZES = ((64, 64), (32, 32), (16, 16), (8, 8))
TOKENS = sum(h * w for h, w in SIZES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--dtype", default="float32", choices=DTYPES)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no GPU: tests/features/test_kernels.py compares the kernels on a CPU")
    torch.set_default_device("cuda")
    torch.manual_seed(0)
    print("| operation | difference | kernel ms | reference ms | speed-up |\n|---|---|---|---|---|")
    for name, work in jobs(arguments.points).items():
        print(row(name, work, DTYPES[arguments.dtype]), flush=True)


def jobs(N: int) -> dict[str, Callable[[], Tensor]]:
    levels = [torch.randn(1, 48, 96 // 2**n, 128 // 2**n, 128) for n in range(4)]
    levels = [level / level.norm(dim=-1, keepdim=True) for level in levels]
    xy = torch.rand(1, N, 48, 2) * torch.tensor([128.0, 96.0])
    match = PatchCorrelation(3, 4, 384, 256).eval()
    support = [torch.randn(1, N, 49, 128) / 128**0.5 for _ in levels]
    features = torch.randn(1, N, 48, 128)
    attention = KeyAwareDeformableAttention(256, 8, len(SIZES), 4).eval()
    memory = Pyramid(torch.randn(8, TOKENS, 256), SIZES)
    query, where = torch.randn(8, N, 256), torch.rand(8, N, 2)
    encoder = DeformableEncoder(256, 8, len(SIZES), 4, 1024, 1).eval()
    maps = [torch.randn(8, 256, h, w) for h, w in SIZES]
    return {
        "patch correlation (CoTracker3)": lambda: match(levels, support, xy),
        "point correlation (CoTracker)": lambda: point_correlation(levels, features, xy, 3),
        "key-aware deformable attention": lambda: torch.cat(attention(query, where, memory), -1),
        "layer of the deformable encoder": lambda: encoder(maps).tokens,
    }


def row(name: str, work: Callable[[], Tensor], dtype: torch.dtype) -> str:
    kernel, ms = run(work, dtype, by_kernel=True)
    reference, reference_ms = run(work, dtype, by_kernel=False)
    difference = (kernel - reference).abs().max().item()
    return (
        f"| {name} | {difference:.1e} | {ms:.2f} | {reference_ms:.2f} | {reference_ms / ms:.1f} |"
    )


@torch.inference_mode()
def run(work: Callable[[], Tensor], dtype: torch.dtype, by_kernel: bool) -> tuple[Tensor, float]:
    """The result, and the milliseconds of the tenth run."""
    for module in (correlation, deformable):
        module.by_kernel = lambda maps: by_kernel  # type: ignore[attr-defined]
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        for _ in range(9):
            work()
        begin.record()
        found = work()
        end.record()
    torch.cuda.synchronize()
    return found.float(), begin.elapsed_time(end)


if __name__ == "__main__":
    main()
