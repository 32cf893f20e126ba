"""Which points a preset counts as visible."""

import pytest
import torch

from motes.coordinates import ResizeRule
from motes.models.base import Prediction
from motes.models.cotracker3 import CoTracker3
from motes.models.preset import Preset, Support
from motes.tracking.load import presets

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


FIRST = ResizeRule(size=(384, 512)), 0.9, False, Support(global_grid=6, below=36)
SECOND = ResizeRule(size=(384, 512), corners=True), *FIRST[1:]
THIRD = SECOND[0], 0.6, True, Support(global_grid=5, local_grid=5, below=8)
TAPTR = ResizeRule(size=(512, 512)), 0.5, False, Support()


@pytest.mark.parametrize(
    ("name", "window", "file", "settings"),
    [
        ("cotracker", 8, "cotracker/cotracker_stride_4_wind_8.pth", FIRST),
        ("cotracker-stride4-wind12", 12, "cotracker/cotracker_stride_4_wind_12.pth", FIRST),
        ("cotracker-stride8-wind16", 16, "cotracker/cotracker_stride_8_wind_16.pth", FIRST),
        ("cotracker2", 8, "cotracker/cotracker2.pth", SECOND),
        ("cotracker2.1", 16, "cotracker/cotracker2v1.pth", SECOND),
        ("cotracker3-offline", None, "cotracker3/scaled_offline.pth", THIRD),
        ("cotracker3-online", 16, "cotracker3/scaled_online.pth", THIRD),
        ("cotracker3-baseline-offline", None, "cotracker3/baseline_offline.pth", THIRD),
        ("cotracker3-baseline-online", 16, "cotracker3/baseline_online.pth", THIRD),
        ("taptr", 8, "taptr.pth", TAPTR),
        ("taptrv2", 8, "taptrv2.pth", TAPTR),
    ],
)
def test_published_models_run_as_published(name, window, file, settings):
    preset = presets()[name]
    found = preset.resize, preset.visible_above, preset.score_with_confidence, preset.support
    assert (preset.name, preset.config.window, found) == (name, window, settings)
    weights = preset.weights
    folder, _, filename = file.rpartition("/")
    repo = f"facebook/{folder}" if folder else None
    assert (weights.filename, weights.repo) == (filename, repo)
    assert weights.licence == ("CC-BY-NC-4.0" if folder else "licence of its authors")
    assert preset.summary.endswith(f"windows of {window} frames") or name.startswith("cotracker3")
