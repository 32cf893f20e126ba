"""Choosing among candidates."""

import torch
import torch.nn.functional as F

from motes.features.chooser import SIMILARITIES, Chooser, similarity
from motes.features.correlation import PeakCorrelation, query_patches


def unit_levels(T=3, h=24, w=32, channels=16, levels=4):
    """Random unit features ``[1, T, h, w, C]``, the same in all frames."""
    torch.manual_seed(0)
    maps = []
    for level in range(levels):
        frame = F.normalize(torch.randn(1, 1, h >> level, w >> level, channels), dim=-1)
        maps.append(frame.expand(-1, T, -1, -1, -1).contiguous())
    return maps


def test_the_place_of_the_query_is_most_like_it():
    levels = unit_levels()
    xy = torch.tensor([[[16.0, 8.0]]])
    support = query_patches(levels, torch.zeros(1, 1, dtype=torch.long), xy, 2)
    offsets = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, -4.0]])
    found = similarity(levels, support, (xy[:, :, None, None] + offsets).expand(1, 1, 3, 3, 2), 2)
    assert found.shape == (1, 1, 3, 3, SIMILARITIES)
    torch.testing.assert_close(found[0, 0, :, 0], torch.ones(3, SIMILARITIES))
    assert found[0, 0, :, 1:, 0].max() < 0.9


def test_missing_candidates_say_nothing_and_are_not_chosen():
    chooser, shape = Chooser(6, 8), (1, 2, 3, 2)
    mask = torch.tensor([True, False]).expand(shape)
    facts = torch.randn(*shape, 2), torch.rand(shape), torch.rand(*shape, SIMILARITIES)
    summary = chooser.summarise(*facts, mask, (0, 3))
    assert summary.shape == (1, 2, 3, 6, 32)
    used = summary.abs().sum(-1)[0, 0, 0] > 0
    assert used.tolist() == [True, False, False, False, False, False]
    logits = chooser(torch.randn(1, 2, 3, 8), summary[..., (0, 3), :], mask)
    assert (logits[..., 2] < -1000).all() and (logits[..., :2].abs() < 10).all()


def test_peaks_point_to_where_the_query_is():
    levels = unit_levels(T=2, h=32)[:2]
    at = torch.tensor([[[16.0, 12.0]]])
    support = query_patches(levels, torch.zeros(1, 1, dtype=torch.long), at, 2)
    module = PeakCorrelation(2, 2, 8, 4)
    match = module.match(levels, support, (at - torch.tensor([2.0, -2.0])).expand(1, 1, 2, 2))
    torch.testing.assert_close(
        match.offsets[0, 0, :, 0], torch.tensor([[2.0, -2.0]] * 2), atol=0.2, rtol=0
    )
    assert match.embedding.shape == (1, 1, 2, module.out_channels)
    assert match.logits.shape == (1, 1, 2, 2, 25)
