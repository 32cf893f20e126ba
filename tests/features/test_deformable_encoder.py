import torch

from motes.features.deformable_encoder import DeformableEncoder, cell_centres
from motes.features.pyramid import Pyramid

SIZES = ((7, 5), (4, 3), (1, 2))
TOKENS = sum(h * w for h, w in SIZES)


def memory(M: int = 2, C: int = 16) -> Pyramid:
    rng = torch.Generator().manual_seed(2)
    return Pyramid(torch.randn(M, TOKENS, C, generator=rng), SIZES)


def test_tokens_look_from_the_centres_of_their_cells() -> None:
    centres = cell_centres(((2, 4), (1, 1)), torch.device("cpu"))
    assert centres[0].tolist() == [0.125, 0.25]
    assert centres[5].tolist() == [0.375, 0.75]
    assert centres[8].tolist() == [0.5, 0.5]


def test_encoder_keeps_sizes() -> None:
    maps = [m.permute(0, 3, 1, 2) for m in memory().maps()]
    found = DeformableEncoder(16, 2, 3, 2, 32, 2)(maps)
    assert found.sizes == SIZES
    assert found.tokens.shape == (2, TOKENS, 16)
