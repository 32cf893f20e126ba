"""Which points a preset counts as visible."""

import pytest
import torch

from motes.models.base import Prediction
from motes.models.cotracker3 import CoTracker3
from motes.models.preset import Preset

VISIBILITY, CONFIDENCE = torch.tensor([[[0.9, 0.9, 0.5]]]), torch.tensor([[[0.9, 0.4, 0.9]]])
XY = torch.zeros(1, 1, 3, 2)


@pytest.mark.parametrize(
    ("with_confidence", "confidence", "visible"),
    [
        (False, CONFIDENCE, [True, True, False]),
        (True, CONFIDENCE, [True, False, False]),
        (True, None, [True, True, False]),
    ],
)
def test_confidence_counts_where_the_preset_says_so(with_confidence, confidence, visible):
    preset = Preset("any", "", CoTracker3, visible_above=0.5, score_with_confidence=with_confidence)
    assert preset.visible(Prediction(XY, VISIBILITY, confidence))[0, 0].tolist() == visible


def test_visible_means_above_the_threshold():
    preset = Preset("any", "", CoTracker3, visible_above=0.5)
    edge = torch.tensor([[[0.4999, 0.5, 0.5001]]])
    assert preset.visible(Prediction(XY, edge))[0, 0].tolist() == [False, False, True]
