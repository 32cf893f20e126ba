import torch

from motes.features.pyramid import Pyramid

SIZES = ((7, 5), (4, 3), (1, 2))
TOKENS = sum(h * w for h, w in SIZES)


def memory(M: int = 2, C: int = 16) -> Pyramid:
    rng = torch.Generator().manual_seed(2)
    return Pyramid(torch.randn(M, TOKENS, C, generator=rng), SIZES)


def test_pyramid_there_and_back() -> None:
    found = Pyramid.of([m.permute(0, 3, 1, 2) for m in memory().maps()])
    assert found.sizes == SIZES
    torch.testing.assert_close(found.tokens, memory().tokens)
