"""The bare models give the outputs of the reference on every fixture."""

import numpy as np
import pytest
import torch

PIXELS, PROBABILITY = 1e-3, 1e-4


@pytest.mark.golden("cotracker1/windowed_*", "cotracker2/o*", "cotracker3/o*")
def test_tracks(load, golden):
    model = load(golden).model
    video = golden.video
    if golden.meta.get("num_windows") == 0 or golden.meta.get("window_num_points") == []:
        pytest.skip("the reference runs no window; see test_cotracker_predictors")
    with torch.inference_mode():
        found = model(video, golden.queries, golden.meta["iters"])
    assert np.abs(found.xy.numpy() - golden["tracks"]).max() < PIXELS
    assert np.abs(found.visibility.numpy() - golden["visibility"]).max() < PROBABILITY
    if "confidence" in golden.data:
        assert np.abs(found.confidence.numpy() - golden["confidence"]).max() < PROBABILITY
