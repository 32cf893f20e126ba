"""taptrv2-xs: TAPTRv2's decoder on candidates."""

import pytest
import torch
import torch.nn.functional as F

from motes.features.candidates import KINDS, Candidates
from motes.features.correlation import query_patches
from motes.models.candidate_base import STRIDE, least_error
from motes.models.taptrv2_xs import TaptrXs, TaptrXsConfig, _cells, _normalised
from motes.train.choosing import ChoosingLearner
from motes.train.config import LossConfig

B, N, S, H, W = 1, 3, 4, 32, 48

CONFIG = TaptrXsConfig(
    frames=S,
    encoder_widths=(8, 8, 8, 8),
    encoder_mixed=8,
    channels=8,
    width=16,
    heads=2,
    samples=2,
    hidden=16,
    depth=2,
    proxies=4,
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TaptrXs(CONFIG)


@pytest.fixture
def candidates():
    """All kinds of candidates, in pixels, and their errors."""
    torch.manual_seed(1)
    xy = torch.rand(B, N, S, len(KINDS), 2) * torch.tensor([W - 9.0, H - 9.0]) + 4
    return xy, torch.rand(B, N, S, len(KINDS))


def test_cells_and_shares_of_the_frame_are_inverses():
    cells = torch.tensor([[0.0, 0.0], [(W - 1) / STRIDE, (H - 1) / STRIDE], [5.25, 3.5]])
    shares = _normalised(cells, (H, W))
    assert shares[1].tolist() == [1, 1]
    torch.testing.assert_close(_cells(shares, (H, W)), cells)


def test_refinement_begins_at_the_candidate_of_least_error(model, candidates):
    """Before training the heads add nothing; an attention that samples one position moves nothing."""
    xy, error = candidates
    given = Candidates(xy / STRIDE, error)
    video = torch.rand(B, S, 3, H, W)
    with torch.no_grad():
        levels = model.levels(video, (H, W))
        support = query_patches(levels, torch.zeros(B, N).long(), xy[:, :, 0, 0] / STRIDE, 2)
        for layer in model.decoder.layers:
            layer.cross.offsets.weight.zero_()
            layer.cross.offsets.bias.zero_()
        (found,) = model.eval().refine(levels, support, given, (H, W), kinds=KINDS)
    torch.testing.assert_close(found.xy, least_error(given, (H, W)).xy, atol=1e-3, rtol=0)


def test_everything_but_the_frozen_encoder_learns(model, candidates):
    xy, error = candidates
    model.encoder.requires_grad_(False)
    learner = ChoosingLearner(model, LossConfig("motes-s"), None).train()
    video = torch.randint(0, 255, (B, S + 1, 3, H, W), dtype=torch.uint8)
    truth = F.pad(xy[..., 0, :].transpose(1, 2), (0, 0, 0, 0, 0, 1))
    known = torch.ones(B, S + 1, N, dtype=torch.bool)
    known[:, S] = False
    queries = torch.cat([torch.zeros(B, N, 1), xy[:, :, 0, 0]], -1)
    terms = learner(video, truth, known, known, queries, xy, error)
    assert set(terms) == {"visible", "occluded", "visibility", "confidence"}
    sum(terms.values()).backward()
    learned = {name for name, p in model.named_parameters() if p.grad is not None}
    assert not any(name.startswith("encoder.") for name in learned)
    for part in ("decoder.layers.0.cross", "query_content", "project.0", "chooser.summary"):
        assert any(name.startswith(part) for name in learned), part
