import pytest
import torch
from torch import Tensor

from motes.features import deformable
from motes.features.deformable import (
    DeformableAttention,
    DeformableEncoder,
    KeyAwareDeformableAttention,
    PositionUpdate,
    Pyramid,
    cell_centres,
    corners,
    deformable_sum_by_grid_sample,
    moves,
    place,
    rays,
    table_of,
    weighted_sum,
)

SIZES = ((7, 5), (4, 3), (1, 2))
TOKENS = sum(h * w for h, w in SIZES)


def scene(spread: float = 1.0, M: int = 2, Q: int = 6, heads: int = 3) -> tuple[Tensor, ...]:
    """Values, places and attention; a `spread` above 1 puts many places outside the maps."""
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(M, TOKENS, heads * 4, generator=rng, dtype=torch.float64)
    size = torch.tensor([(w, h) for h, w in SIZES], dtype=torch.float64)[:, None]
    unit = torch.rand(M, Q, heads, len(SIZES), 2, 2, generator=rng, dtype=torch.float64)
    at = ((unit - 0.5) * spread + 0.5) * size - 0.5
    attention = torch.rand(M, Q, heads, len(SIZES), 2, generator=rng, dtype=torch.float64)
    return values, at, attention


def fast(values: Tensor, at: Tensor, attention: Tensor) -> Tensor:
    rows, share = corners(at, SIZES)
    weight = share * attention.flatten(-2)[:, :, :, None]
    table = table_of(values, SIZES, at.shape[2], values.dtype)
    return weighted_sum(table, rows.flatten(3), weight.flatten(3))


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0, 100.0])
def test_fast_path_and_its_twin(spread: float) -> None:
    inputs = [t.requires_grad_() for t in scene(spread)]
    ours, twin = fast(*inputs), deformable_sum_by_grid_sample(inputs[0], SIZES, *inputs[1:])
    torch.testing.assert_close(ours, twin)
    direction = torch.randn(
        ours.shape, dtype=ours.dtype, generator=torch.Generator().manual_seed(1)
    )
    for a, b in zip(
        torch.autograd.grad(ours, inputs, direction),
        torch.autograd.grad(twin, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_a_pixel_centre_gives_that_pixel_and_far_outside_gives_zero() -> None:
    values = torch.arange(1.0, TOKENS + 1)[None, :, None]
    at = torch.tensor([[4.0, 6.0], [2.0, 3.0], [1.0, 0.0]]).view(1, 1, 1, 3, 1, 2)
    last = [35.0, 35.0 + 12, 35.0 + 12 + 2]
    rows, share = corners(at, SIZES)
    each = weighted_sum(table_of(values, SIZES, 1, torch.float32), rows.mT, share.mT)
    assert each.flatten().tolist() == last
    rows, share = corners(at + 1e9, SIZES)
    each = weighted_sum(table_of(values, SIZES, 1, torch.float32), rows.mT, share.mT)
    assert each.flatten().tolist() == [0.0, 0.0, 0.0]


def test_gradient_of_the_weighted_sum() -> None:
    rng = torch.Generator().manual_seed(0)
    table = torch.randn(9, 3, dtype=torch.float64, generator=rng, requires_grad=True)
    rows = torch.randint(0, 9, (2, 4, 5), generator=rng, dtype=torch.int32)
    weight = torch.randn(2, 4, 5, dtype=torch.float64, generator=rng, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t, w: weighted_sum(t, rows, w), (table, weight))


def memory(M: int = 2, C: int = 16) -> Pyramid:
    rng = torch.Generator().manual_seed(2)
    return Pyramid(torch.randn(M, TOKENS, C, generator=rng), SIZES)


def test_pyramid_there_and_back() -> None:
    found = Pyramid.of([m.permute(0, 3, 1, 2) for m in memory().maps()])
    assert found.sizes == SIZES
    torch.testing.assert_close(found.tokens, memory().tokens)


@pytest.mark.parametrize("kind", [DeformableAttention, KeyAwareDeformableAttention])
def test_chunks_change_nothing(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    attention = kind(16, 2, len(SIZES), 2)
    query, where = torch.randn(2, 7, 16), torch.rand(2, 7, 2)
    with torch.no_grad():
        whole = attention(query, where, memory())
        monkeypatch.setattr(deformable, "QUERIES_AT_ONCE", 4)
        parts = attention(query, where, memory())
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("kind", [DeformableAttention, KeyAwareDeformableAttention])
def test_order_of_points_means_nothing(kind: type) -> None:
    torch.manual_seed(0)
    attention = kind(16, 2, len(SIZES), 2)
    query, where, order = torch.randn(2, 7, 16), torch.rand(2, 7, 2), torch.randperm(7)
    there = attention(query, where, memory())
    shuffled = attention(query[:, order], where[:, order], memory())
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


def test_where_queries_look() -> None:
    """Offsets are pixels of each map; 0 and 1 are the edges of the image."""
    offsets = torch.tensor([1.0, 2.0]).repeat(len(SIZES)).view(1, 1, -1)
    at = place(offsets, torch.tensor([[[0.5, 1.0]]]), SIZES, (1, len(SIZES), 1))
    expected = [(w / 2 - 0.5 + 1, h - 0.5 + 2) for h, w in SIZES]
    torch.testing.assert_close(at.view(-1, 2), torch.tensor(expected))


def test_moves_divide_by_the_other_side() -> None:
    """As the released weights were trained (taptrv2.md, quirk 8)."""
    offsets = torch.ones(1, 1, 2 * len(SIZES))
    found = moves(offsets, torch.zeros(1, 1, 2), SIZES, (1, len(SIZES), 1))
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
