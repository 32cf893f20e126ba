"""The bare models give the outputs of the reference on every fixture."""

import numpy as np
import pytest
import torch

from motes.models.base import concat_predictions
from motes.tracking import windows

PIXELS, PROBABILITY = 1e-3, 1e-4


def stream(model, video, queries, iterations):
    """Chunks as the reference takes them, each half a window further."""
    state, parts = windows.begin(model, queries), []
    step = model.schedule.step
    for start in range(0, video.shape[1], step):
        features = model.encode(video[:, start : start + step])
        part, state = windows.push(model, state, features, iterations)
        parts.append(part)
    parts.append(windows.close(model, state, iterations)[0])
    return concat_predictions([part for part in parts if part is not None])


@pytest.mark.golden("cotracker1/windowed_*", "cotracker2/o*", "cotracker3/o*")
def test_tracks(load, golden):
    model = load(golden).model
    video = golden.video
    if golden.meta.get("num_windows") == 0 or golden.meta.get("window_num_points") == []:
        pytest.skip("the reference runs no window; see test_cotracker_predictors")
    run = stream if golden.meta["kind"] == "online_stream_model" else type(model).__call__
    with torch.inference_mode():
        found = run(model, video, golden.queries, golden.meta["iters"])
    assert np.abs(found.xy.numpy() - golden["tracks"]).max() < PIXELS
    assert np.abs(found.visibility.numpy() - golden["visibility"]).max() < PROBABILITY
    if "confidence" in golden.data:
        assert np.abs(found.confidence.numpy() - golden["confidence"]).max() < PROBABILITY
