"""Deformable attention and the position update."""

import pytest
import torch
from torch import Tensor

from motes.features import chunks
from motes.features.deformable import (
    DeformableAttention,
    KeyAwareDeformableAttention,
    PositionUpdate,
    normalised_offsets,
    rays,
    sampling_positions,
)
from motes.features.deformable_encoder import DeformableEncoder
from motes.features.pyramid import Pyramid

SIZES = ((7, 5), (4, 3), (1, 2))
TOKENS = sum(h * w for h, w in SIZES)


def memory(M: int = 2, C: int = 16) -> Pyramid:
    rng = torch.Generator().manual_seed(2)
    return Pyramid(torch.randn(M, TOKENS, C, generator=rng), SIZES)


@pytest.mark.parametrize("kind", [DeformableAttention, KeyAwareDeformableAttention])
def test_chunks_change_nothing(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    attention = kind(16, 2, len(SIZES), 2)
    query, position = torch.randn(2, 7, 16), torch.rand(2, 7, 2)
    with torch.no_grad():
        whole = attention(query, position, memory())
        monkeypatch.setattr(chunks, "QUERIES_PER_CHUNK", 4)
        parts = attention(query, position, memory())
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("kind", [DeformableAttention, KeyAwareDeformableAttention])
def test_order_of_points_means_nothing(kind: type) -> None:
    torch.manual_seed(0)
    attention = kind(16, 2, len(SIZES), 2)
    query, position, order = torch.randn(2, 7, 16), torch.rand(2, 7, 2), torch.randperm(7)
    there = attention(query, position, memory())
    shuffled = attention(query[:, order], position[:, order], memory())
    if kind is DeformableAttention:
        there, shuffled = (there,), (shuffled,)
    for a, b in zip(there, shuffled, strict=True):
        torch.testing.assert_close(a[:, order], b)


def test_no_queries() -> None:
    content, step = KeyAwareDeformableAttention(16, 2, len(SIZES), 2)(
        torch.zeros(2, 0, 16), torch.zeros(2, 0, 2), memory()
    )
    assert content.shape == (2, 0, 16)
    assert step.shape == (2, 0, 2)


class Fixed(torch.nn.Module):
    """A disentangler that always says the same."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand_as(x)


def test_one_hot_attention_moves_exactly_by_that_offset() -> None:
    offsets = torch.randn(3, 5, 12, 2)
    update = PositionUpdate(12, 8)
    for chosen in range(12):
        update.disentangler = Fixed(torch.where(torch.arange(12) == chosen, 0.0, -torch.inf))
        step = update(torch.randn(3, 5, 12), offsets)
        assert torch.equal(step, offsets[:, :, chosen])


def test_uniform_attention_over_symmetric_offsets_stays() -> None:
    half = torch.randn(3, 5, 6, 2)
    update = PositionUpdate(12, 8)
    update.disentangler = Fixed(torch.zeros(12))
    step = update(torch.randn(3, 5, 12), torch.cat([half, -half], 2))
    torch.testing.assert_close(step, torch.zeros(3, 5, 2), atol=1e-6, rtol=0)


def test_update_teaches_the_disentangler_the_keys_and_the_offsets() -> None:
    torch.manual_seed(0)
    attention = KeyAwareDeformableAttention(16, 2, len(SIZES), 2)
    _, step = attention(torch.randn(2, 7, 16), torch.rand(2, 7, 2), memory())
    step.square().sum().backward()
    for name in ("update.disentangler.0", "update.disentangler.4", "key", "query", "offsets"):
        gradient = attention.get_submodule(name).weight.grad
        assert gradient is not None, name
        assert gradient.abs().max() > 0, name
    assert not attention.value.weight.grad.any()  # what is found does not say where to go


def test_sampling_positions_are_pixels_of_each_map() -> None:
    """Offsets are pixels of each map; 0 and 1 are the edges of the image."""
    offsets = torch.tensor([1.0, 2.0]).repeat(len(SIZES)).view(1, 1, -1)
    at = sampling_positions(offsets, torch.tensor([[[0.5, 1.0]]]), SIZES, (1, len(SIZES), 1))
    expected = [(w / 2 - 0.5 + 1, h - 0.5 + 2) for h, w in SIZES]
    torch.testing.assert_close(at.view(-1, 2), torch.tensor(expected))


def test_offsets_are_divided_by_the_other_side() -> None:
    """As the released weights were trained (docs/taptr.md, quirks)."""
    offsets = torch.ones(1, 1, 2 * len(SIZES))
    found = normalised_offsets(offsets, SIZES, (1, len(SIZES), 1))
    expected = [(1 / h, 1 / w) for h, w in SIZES]
    torch.testing.assert_close(found.view(-1, 2), torch.tensor(expected))


def test_offsets_begin_as_rays() -> None:
    found = rays(8, 4, 4)
    assert found.shape == (8, 4, 4, 2)
    torch.testing.assert_close(found[0, 0], torch.tensor([[n, 0.0] for n in (1, 2, 3, 4)]))
    torch.testing.assert_close(found[3, 2, 3], torch.tensor([-4.0, 4.0]))
    layer = DeformableEncoder(16, 2, 3, 4, 32, 1).layers[0].attention
    assert torch.equal(layer.offsets.bias.view(2, 3, 4, 2), rays(2, 3, 4))
    assert not layer.offsets.weight.any()
