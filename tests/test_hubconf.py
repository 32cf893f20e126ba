"""torch.hub finds the entry points, and they answer as the published predictors do."""

from pathlib import Path

import numpy as np
import pytest
import torch

import motes

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def video():
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    picture = np.kron(noise, np.ones((4, 4, 1), np.uint8))
    frames = np.stack([np.roll(picture, (t, 2 * t), (0, 1)) for t in range(4)])
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float()[None]


def load(name, **options):
    return torch.hub.load(str(ROOT), name, source="local", **options)


def test_shapes_and_values_are_those_of_the_tracker(video):
    xy, visible = load("flow")(video, grid_size=3, grid_query_frame=1, backward_tracking=True)
    frames = video[0].permute(0, 2, 3, 1).byte().numpy()
    tracks = motes.load("flow").track(frames, grid=3, at=1, backward=True)
    assert torch.equal(xy[0], torch.from_numpy(tracks.xy).transpose(0, 1))
    assert torch.equal(visible[0], torch.from_numpy(tracks.visible).T)


def test_queries_and_masks(video):
    queries = torch.tensor([[[0.0, 20.0, 20.0], [2.0, 30.0, 10.0]]])
    xy, visible = load("flow")(video, queries=queries)
    assert xy.shape == (1, 4, 2, 2)
    assert visible.dtype == torch.bool
    assert xy[0, 2, 1].tolist() == [30, 10]
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., :32] = 1
    xy, _ = load("flow")(video, grid_size=4, segm_mask=mask)
    assert (xy[0, 0, :, 0] < 32).all()


@pytest.mark.parametrize(
    "name", ["cotracker2", "cotracker2_online", "cotracker2v1", "cotracker3_online"]
)
def test_missing_weights_are_one_clear_error(monkeypatch, tmp_path, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(motes.MotesError, match="motes fetch cotracker"):
        load(name)


def test_the_default_needs_no_download():
    assert load("motes_default").tracker.preset.name == motes.load().preset.name
