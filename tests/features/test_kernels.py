"""The Triton kernels equal their PyTorch references; on a CPU, in Triton's interpreter."""

import os
import subprocess
import sys

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported
pytest.importorskip("triton")

from motes.features import correlation, deformable, kernels  # noqa: E402
from motes.features.correlation import (  # noqa: E402
    PatchCorrelation,
    correlate_by_definition,
    point_correlation,
)
from motes.features.deformable import KeyAwareDeformableAttention  # noqa: E402
from motes.features.deformable_encoder import DeformableEncoder  # noqa: E402
from motes.features.pyramid import Pyramid  # noqa: E402

SIZES = ((7, 5), (4, 3), (1, 2))


def random(*shape, seed=0, dtype=torch.float32):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng).to(DEVICE, dtype)


def places(h, w, n=5, S=3, margin=10):
    """Positions in and around a map: also on pixels, on its border and far away."""
    rng = torch.Generator().manual_seed(1)
    xy = torch.rand(n, S, 2, generator=rng) * torch.tensor([w + 2.0 * margin, h + 2.0 * margin])
    xy -= margin
    xy[0, 0], xy[0, 1] = torch.tensor([2.0, 1.0]), torch.tensor([w - 1.0, h - 1.0])
    xy[1, 0] = torch.tensor([-1e6, 1e6])
    return torch.randint(0, 3, (n, S), generator=rng).to(DEVICE), xy.to(DEVICE)


@pytest.mark.parametrize(
    ("size", "radius", "C", "K"),
    [((9, 12), 3, 5, 49), ((3, 4), 2, 70, 25), ((1, 1), 1, 16, 9), ((25, 33), 3, 128, 49)],
)
def test_correlate(size, radius, C, K):
    index, xy = places(*size)
    xy[1, 0] = 0  # a million pixels away the reference's own rounding shows
    maps, support = random(3, *size, C), random(5, K, C, seed=2)
    found = kernels.correlate(maps, support, index, xy, radius)
    expected = correlate_by_definition(maps, support, index, xy, radius)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_correlate_of_half_numbers(dtype):
    index, xy = places(9, 12)
    xy[1, 0] = 0
    maps, support = random(3, 9, 12, 32, dtype=dtype), random(5, 9, 32, seed=2, dtype=dtype)
    found = kernels.correlate(maps, support, index, xy, 1)
    assert found.dtype == dtype
    expected = correlate_by_definition(maps.float(), support.float(), index, xy, 1)
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.01)


def test_far_and_nan_positions():
    index, xy = places(6, 8)
    xy[2, 0] = torch.nan
    found = kernels.correlate(random(3, 6, 8, 4), random(5, 9, 4), index, xy, 1)
    found[2, 0] = 0
    assert found.isfinite().all()


@pytest.fixture
def by_kernel(monkeypatch):
    """A function that runs another one with the kernels, on any device."""

    def run(function, *args):
        with monkeypatch.context() as patch, torch.inference_mode():
            for module in (correlation, deformable):
                patch.setattr(module, "by_kernel", lambda maps: True)
            return function(*args)

    return run


def by_reference(function, *args):
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        for module in (correlation, deformable):
            patch.setattr(module, "by_kernel", lambda maps: False)
        return function(*args)


def check(by_kernel, function, *args):
    torch.testing.assert_close(
        by_kernel(function, *args), by_reference(function, *args), atol=1e-4, rtol=1e-4
    )


def test_patch_correlation(by_kernel):
    torch.manual_seed(0)
    match = PatchCorrelation(radius=2, levels=2, hidden=8, out=4).to(DEVICE)
    levels = [random(2, 3, 8, 9, 5), random(2, 3, 4, 4, 5)]
    support = [random(2, 6, 25, 5, seed=s) for s in (3, 4)]
    check(by_kernel, match, levels, support, torch.rand(2, 6, 4, 2, device=DEVICE) * 8)


@pytest.mark.parametrize("outside", ["border", "zero"])
def test_point_correlation(by_kernel, outside):
    levels = [random(1, 3, 8, 9, 20), random(1, 3, 4, 4, 20)]
    xy = torch.rand(1, 6, 4, 2, generator=torch.Generator().manual_seed(5)).to(DEVICE) * 14 - 3
    check(by_kernel, point_correlation, levels, random(1, 6, 4, 20, seed=2), xy, 3, outside)


@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_key_aware_attention(by_kernel, spread):
    """Queries inside, and many outside of the maps; three heads of six channels."""
    torch.manual_seed(0)
    attention = KeyAwareDeformableAttention(18, 3, len(SIZES), 2).to(DEVICE)
    memory = Pyramid(random(2, sum(h * w for h, w in SIZES), 18), SIZES)
    position = torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(5)).to(DEVICE)
    position = (position - 0.5) * spread + 0.5
    check(by_kernel, attention, random(2, 6, 18, seed=7), position, memory)


def test_encoder(by_kernel):
    torch.manual_seed(0)
    encoder = DeformableEncoder(16, 2, len(SIZES), 2, 32, 2).to(DEVICE)
    maps = [random(2, 16, h, w, seed=h) for h, w in SIZES]
    check(by_kernel, lambda m: encoder(m).tokens, maps)


def test_no_points():
    maps, none = random(1, 4, 5, 8), torch.zeros(0, 3, dtype=torch.long, device=DEVICE)
    xy = torch.zeros(0, 3, 2, device=DEVICE)
    assert kernels.correlate(maps, random(0, 9, 8), none, xy, 1).shape == (0, 3, 81)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from motes.features import kernels

def build(kernel, kinds, sizes):
    names = kernel.arg_names
    signature = {n: "constexpr" if n in sizes else kinds.get(n, "i32") for n in names}
    constants = {(names.index(n),): value for n, value in sizes.items()}
    source = triton.compiler.ASTSource(kernel, signature, constants)
    print(kernel.__name__, *triton.compile(source, target=GPUTarget("cuda", 80, 32)).asm)

build(kernels._correlate,
      {"maps": "*bf16", "support": "*fp32", "index": "*i64", "xy": "*fp32", "out": "*fp32"},
      {"RADIUS": 3, "ZERO": True, "PIXELS": 64, "POSITIONS": 64, "ROWS": 64, "CHANNELS": 64})
attend = {"LEVELS": 4, "POINTS": 4, "HEADS": 8, "POSITIONS": 16, "CHANNELS": 32}
pointers = {n: "*fp32" for n in ("keys", "values", "at", "queries", "logits", "out")}
pointers |= {"maps": "*i32", "scale": "fp32"}
build(kernels._attend, pointers, attend | {"KEYS": True})
build(kernels._attend, pointers, attend | {"KEYS": False, "keys": None, "queries": None})
"""


def test_they_compile_for_a_gpu():
    """The compiler needs no GPU to report errors in a kernel."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", COMPILE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.count("cubin") == 3, done.stderr
