import pytest
import torch
from torch import nn

from motes.features import proxy
from motes.features.proxy import GroupAttention, ProxyAttention

KINDS = [lambda: GroupAttention(16, 2), lambda: ProxyAttention(16, 2, 5)]


def tokens(M: int = 3, N: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(M, N, 16), torch.randn(M, N, 16), torch.rand(M, N) > 0.5


def test_group_attention_is_masked_multi_head_attention() -> None:
    ours, theirs = GroupAttention(16, 2), nn.MultiheadAttention(16, 2, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.input.weight,
            "in_proj_bias": ours.input.bias,
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    x, code, group = tokens()
    apart = group[:, :, None] != group[:, None]
    expected, _ = theirs(x + code, x + code, x, attn_mask=apart.repeat_interleave(2, 0))
    torch.testing.assert_close(ours(x, code, group), expected)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, inputs = GroupAttention(16, 2), tokens()
    with torch.no_grad():
        whole = attention(*inputs)
        monkeypatch.setattr(proxy, "SCORES_AT_ONCE", 50)
        parts = attention(*inputs)
    torch.testing.assert_close(parts, whole)


def test_one_group_needs_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, (x, code, _) = GroupAttention(16, 2), tokens()
    nobody, everybody = torch.zeros(3, 7, dtype=torch.bool), torch.ones(3, 7, dtype=torch.bool)
    torch.testing.assert_close(attention(x, code, nobody), attention(x, code, everybody))


@pytest.mark.parametrize("make", KINDS)
def test_tracked_points_ignore_the_others(make) -> None:
    attention, (x, code, group) = make(), tokens()
    before = attention(x, code, group)
    changed = torch.where(group[..., None], x, torch.randn_like(x))
    torch.testing.assert_close(attention(changed, code, group)[group], before[group])


@pytest.mark.parametrize("make", KINDS)
def test_results_do_not_depend_on_the_order_of_points(make) -> None:
    attention, inputs, order = make(), tokens(), torch.randperm(7)
    shuffled = attention(*(t[:, order] for t in inputs))
    torch.testing.assert_close(shuffled, attention(*inputs)[:, order])


@pytest.mark.parametrize("make", KINDS)
def test_points_attend_to_each_other(make) -> None:
    attention, (x, code, _) = make(), tokens()
    group = torch.ones(3, 7, dtype=torch.bool)
    changed = torch.cat([x[:, :6], torch.randn_like(x[:, 6:])], 1)
    before, after = attention(x, code, group), attention(changed, code, group)
    assert (before - after)[:, :6].abs().amax(-1).min() > 1e-5


def test_frames_without_a_tracked_point_stay_finite() -> None:
    x, code, group = tokens()
    group[1] = False
    attention = ProxyAttention(16, 2, 5)
    found = attention(x, code, group)
    found.sum().backward()
    assert found.isfinite().all()
    assert all(p.grad.isfinite().all() for p in attention.parameters())


@pytest.mark.parametrize("make", KINDS)
def test_no_points(make) -> None:
    x, group = torch.zeros(3, 0, 16), torch.zeros(3, 0, dtype=torch.bool)
    assert make()(x, x, group).shape == (3, 0, 16)
