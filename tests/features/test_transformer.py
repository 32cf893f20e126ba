import pytest
import torch

from motes.features.attention import CrossBlock
from motes.features.transformer import AxialTransformer, ProxyTransformer


@pytest.fixture
def proxy():
    torch.manual_seed(0)
    return ProxyTransformer(6, 16, heads=2, depth=2, virtual_tracks=4).eval()


def test_results_do_not_depend_on_the_order_of_points(proxy):
    tokens, order = torch.randn(2, 5, 3, 6), torch.randperm(5)
    torch.testing.assert_close(proxy(tokens)[:, order], proxy(tokens[:, order]))


def test_points_attend_to_each_other(proxy):
    tokens = torch.randn(1, 5, 3, 6)
    changed = tokens.clone()
    changed[:, 0] += 1
    assert (proxy(tokens)[:, 1:] - proxy(changed)[:, 1:]).abs().max() > 1e-4


@pytest.mark.parametrize("N", [3, 5])
def test_unknown_points_are_masked(proxy, N):
    tokens, known = torch.randn(1, N, 3, 6), torch.ones(1, N, dtype=bool)
    known[:, -1] = False
    changed = tokens.clone()
    changed[:, -1] += 1
    a, b = proxy(tokens, known), proxy(changed, known)
    torch.testing.assert_close(a[:, :-1], b[:, :-1])
    assert a.isfinite().all()


def test_without_known_points(proxy):
    """Attention in which everything is masked is a plain average, not NaN."""
    out = proxy(torch.randn(2, 3, 2, 6), torch.zeros(2, 3, dtype=bool))
    assert out.isfinite().all()


def test_number_of_points_equal_to_that_of_virtual_tracks(proxy):
    """The published model then masks rows of virtual tracks: unknown points are attended to."""
    tokens, known = torch.randn(1, 4, 3, 6), torch.tensor([[True, True, True, False]])
    changed = tokens.clone()
    changed[:, -1] += 1
    assert (proxy(tokens, known)[:, 0] - proxy(changed, known)[:, 0]).abs().max() > 1e-4


def test_no_points(proxy):
    assert proxy(torch.zeros(1, 0, 3, 6)).shape == (1, 0, 3, 16)


def test_the_context_of_attention_is_normalised():
    """Scale and offset matter for the tokens themselves, but not for the context tokens."""
    torch.manual_seed(0)
    block = CrossBlock(16, 2, 2)
    x, context = torch.randn(1, 3, 16), torch.randn(1, 5, 16)
    found = block(x, context)
    torch.testing.assert_close(block(x, 3 * context + 1), found, atol=1e-4, rtol=0)
    assert (block(3 * x, context) - found).abs().max() > 0.1


def test_axial():
    torch.manual_seed(0)
    axial = AxialTransformer(6, 16, heads=2, depth=2)
    tokens = torch.randn(2, 5, 3, 6)
    torch.testing.assert_close(axial(tokens)[1:], axial(tokens[1:]))
