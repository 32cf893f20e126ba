"""motes-s: one window number for number, and its behaviour on moving textures."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import motes
from detvideo import make_video
from motes.errors import InputError
from motes.features.candidates import KINDS, Candidates
from motes.features.chooser import similarity
from motes.features.correlation import query_patches
from motes.models.candidate_base import least_error
from motes.models.motes_s import MOTES_S, MotesSConfig
from motes.models.weights import load_weights
from motes.tracking.tracker import Tracker

WINDOW = np.load(Path(__file__).with_name("motes_s_window.npz"))
"""Inputs and outputs of one window in the code that trained the weights (float32, CPU)."""

H, W = 128, 160


@pytest.fixture(scope="module")
def window():
    """The network with all candidates as it was trained; features and candidates of the window."""
    preset = replace(MOTES_S, config=MotesSConfig(candidates=KINDS, side=W))
    model = load_weights(preset).eval()
    video = torch.from_numpy(make_video(16, H, W, 7)).permute(0, 3, 1, 2)[None].float() / 255
    with torch.inference_mode():
        levels = model.encode(video).levels[:4]
    queries = torch.from_numpy(WINDOW["queries"])[None]
    t, xy = queries[..., 0].long(), queries[..., 1:] / 2
    error = torch.from_numpy(WINDOW["error"])
    error = error.masked_fill(~torch.from_numpy(WINDOW["mask"]), torch.inf)
    candidates = Candidates(torch.from_numpy(WINDOW["candidates"])[None] / 2, error[None])
    return model, levels, query_patches(levels, t, xy, 2), candidates


def test_features_are_those_of_training(window):
    for level in (0, 1):
        ours = window[1][level][0, :2, ::8, ::8]
        np.testing.assert_allclose(ours, WINDOW[f"level{level}"], atol=1e-5)


def test_similarities_are_those_of_training(window):
    _, levels, support, candidates = window
    found = similarity(levels, support, candidates.xy, 2)
    np.testing.assert_allclose(found[0], WINDOW["similarity"], atol=1e-5)


def test_refinement_is_that_of_training(window):
    model, levels, support, candidates = window
    start = least_error(candidates, (H, W))
    np.testing.assert_allclose(start.xy[0] * 2, WINDOW["start_xy"], atol=1e-4)
    np.testing.assert_allclose(start.scores[0], WINDOW["start_scores"], atol=1e-4)
    with torch.inference_mode():
        history = model.refine(levels, support, candidates, (H, W))
    for now, xy, scores in zip(history, WINDOW["xy"], WINDOW["scores"], strict=True):
        np.testing.assert_allclose(now.xy[0] * 2, xy, atol=1e-3)
        np.testing.assert_allclose(now.scores[0], scores, atol=1e-3)


@pytest.fixture(scope="module")
def small():
    """A tracker whose network reads small frames, so that it is fast; no support points."""
    config = MotesSConfig(side=64)
    preset = replace(MOTES_S, config=config, support=type(MOTES_S.support)())
    return Tracker(load_weights(preset).eval(), preset)


def moving(T=30, size=96):
    """A textured plane that moves by one pixel a frame, to the left and upward."""
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    plane = cv2.resize(noise, (192, 192), interpolation=cv2.INTER_CUBIC)
    return np.stack([plane[t : t + size, t : t + size] for t in range(T)])


QUERIES = [(0, 80.0, 70.0), (5, 60.0, 40.0), (18, 60.5, 60.25), (28, 40.0, 50.0)]


@pytest.fixture(scope="module")
def whole(small):
    return small.track(moving(), QUERIES)


def test_points_follow_the_texture(whole):
    for (t, *xy), track, seen in zip(QUERIES, whole.xy, whole.visible, strict=True):
        truth = np.array(xy) - (np.arange(30)[t:, None] - t)
        np.testing.assert_allclose(track[t:], truth, atol=0.3)
        assert seen[t:].all() and not seen[:t].any()


def test_a_stream_gives_what_the_video_gives(small, whole):
    stream = small.stream(QUERIES)
    parts = [part for frame in moving() for part in stream.push(frame)]
    found = motes.Tracks.concat_frames([*parts, stream.close()])
    np.testing.assert_array_equal(found.xy, whole.xy)
    np.testing.assert_array_equal(found.visible, whole.visible)


def test_a_stream_with_latency_answers_at_once_from_the_last_window(small, whole):
    stream = small.stream(QUERIES[:2], latency=4)
    parts = [part for frame in moving(29) for part in stream.push(frame)]
    assert max(len(part.xy[0]) for part in parts) == 4
    found = motes.Tracks.concat_frames(parts)
    np.testing.assert_allclose(found.xy[:, 5:], whole.xy[:2, 5:29], atol=0.3)


def test_a_stream_is_saved_with_its_query_frames(small, tmp_path):
    stream = small.stream(QUERIES[:2])
    for frame in moving(26):
        stream.push(frame)
    stream.add([(24, 50.0, 50.0)])
    stream.save(tmp_path / "stream.pt")
    resumed = small.resume(tmp_path / "stream.pt")
    np.testing.assert_array_equal(resumed.close().xy, stream.close().xy)


def test_backward_is_forward_on_the_reversed_video(small):
    there = small.track(moving(20), [(19, 40, 50)], backward=True)
    back = small.track(moving(20)[::-1].copy(), [(0, 40, 50)])
    np.testing.assert_allclose(there.xy[0], back.xy[0, ::-1], atol=1e-3)


def test_alone_means_without_the_other_points(small, whole):
    alone = small.track(moving(), QUERIES, joint=False)
    one = small.track(moving(), QUERIES[1:2])
    np.testing.assert_allclose(alone.xy[1, 5:], one.xy[0, 5:], atol=1e-3)
    assert np.abs(alone.xy[1] - whole.xy[1]).max() > 0


def test_points_that_have_not_come_do_not_change_the_others(small):
    """Also when there are as many points as virtual tracks, which published models mask oddly."""
    alone = small.track(moving(27), QUERIES[:1])
    later = [(26, 10.0, 10.0)] * (small.model.config.virtual_tracks - 1)
    found = small.track(moving(27), [*QUERIES[:1], *later])
    np.testing.assert_allclose(found.xy[0, :21], alone.xy[0, :21], atol=1e-4)


def test_frames_too_small_to_be_halved_have_the_flow_alone(small):
    found = small.track(moving(3, size=20), [(0, 12.0, 10.0)])
    np.testing.assert_allclose(found.xy[0, 2], [10, 8], atol=0.7)


def test_the_bare_model_takes_a_batch(small):
    video = torch.from_numpy(moving(4)).permute(0, 3, 1, 2)[None].float() / 255
    queries = torch.tensor([[[0, 40.0, 50]], [[0, 37.0, 47]]])
    with torch.no_grad():
        found = small.model(torch.cat([video, video.flip(1)]), queries)
    assert torch.allclose(found.xy[0, -1, 0], torch.tensor([37.0, 47]), atol=0.3)
    assert torch.allclose(found.xy[1, -1, 0], torch.tensor([40.0, 50]), atol=0.3)
    assert found.confidence.shape == found.visibility.shape == (2, 4, 1)
    assert not torch.equal(found.confidence, found.visibility)


def test_refinement_starts_where_the_configuration_says():
    xy = torch.randn(1, 2, 3, 3, 2) + 20
    error = torch.tensor([3.0, 1.0, 2.0]).expand(1, 2, 3, 3)
    candidates = Candidates(xy, error)
    for start, expected in ((None, 1), ("flow", 0), ("direct", 2)):
        model = MOTES_S.build(MotesSConfig(start=start))
        assert torch.equal(model.initial(candidates, (H, W)).xy, xy[..., expected, :])
    kinds = ("direct", "half", "flow")
    assert torch.equal(model.initial(candidates, (H, W), kinds).xy, xy[..., 0, :])


def test_an_unknown_start_is_refused():
    with pytest.raises(InputError, match=r"start: expected one of flow, .* got 'flaw'"):
        MOTES_S.build(MotesSConfig(start="flaw"))
