"""Outputs of the full-size models, frozen once they equalled those of the reference.

The parity tests need the reference outputs; these numbers travel with the project.  To freeze them
again, after the parity tests have passed: ``python tests/models/test_cotracker_numbers.py``.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from motes.tracking.load import presets

sys.path.insert(0, str(Path(__file__).parents[1]))

from detvideo import make_queries, make_video
from detweights import fill_state_dict

FROZEN = Path(__file__).with_suffix(".npz")
NAMES = ("cotracker", "cotracker2", "cotracker3-offline", "cotracker3-online")
T, H, W, N = 11, 64, 96, 5

WEIGHTS = {
    "encoder.out.weight": {"center": True, "scale": 0.6},
    "transformer.virtual_tracks": {"fan_in": 1.0},
    "match.fc1.weight": {"center": True, "scale": 2.0},
    "motion.weight": {"scale": 0.06},
    "scoring.weight": {"scale": 0.5},
    "update.weight": {"rows": [(0, 2, 0.02)]},
}
SINES = {"transformer.input.weight": {"cols": [(2, 130, 0.01)]}}
"""v1 and v2 read sines of very high frequencies, which make much of rounding errors."""


def compute(name):
    preset = presets()[name]
    model = preset.build(preset.config).eval()
    entries = [(k, v.shape, "float32") for k, v in model.state_dict().items()]
    rules = WEIGHTS if "3" in name else {**WEIGHTS, **SINES}
    values = fill_state_dict(entries, rules)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()})
    video = torch.from_numpy(make_video(T, H, W, seed=3)).permute(0, 3, 1, 2)[None] / 255
    queries = torch.from_numpy(make_queries(N, T, H, W, seed=4))[None]
    with torch.inference_mode():
        found = model(video, queries, 2)
    return {f"{name}_xy": found.xy.numpy(), f"{name}_score": found.score.numpy()}


@pytest.mark.parametrize("name", NAMES)
def test_numbers(name):
    frozen = np.load(FROZEN)
    for key, value in compute(name).items():
        np.testing.assert_allclose(value, frozen[key], atol=1e-3, rtol=0)


if __name__ == "__main__":
    np.savez_compressed(FROZEN, **{k: v for name in NAMES for k, v in compute(name).items()})
