import cv2
import numpy as np
import pytest
import torch

import motes
from motes.errors import InputError
from motes.features import flow_fields
from motes.models.flow import DenseFlow, FlowConfig
from planes import finish_ahead


def texture(size, seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (size // 6, size // 6, 3), np.uint8)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)


def moving(T=6, step=(2, 1), size=96):
    """A textured plane that moves by whole pixels."""
    plane = texture(size * 2)
    corners = [(40 - step[0] * t, 30 - step[1] * t) for t in range(T)]
    return np.stack([plane[y : y + size, x : x + size] for x, y in corners])


def test_points_follow_the_texture():
    tracks = motes.load("flow").track(moving(), [(0, 40, 50), (2, 60.5, 30.25)])
    shift = np.arange(6)[:, None] * [2, 1]
    np.testing.assert_allclose(tracks.xy[0], np.add([40, 50], shift), atol=0.3)
    np.testing.assert_allclose(tracks.xy[1, 2:], np.add([60.5, 30.25], shift[:4]), atol=0.3)
    assert tracks.visible[0].all()
    assert tracks.visible[1].tolist() == [False, False, True, True, True, True]


def test_a_covered_point_is_hidden_and_found_again():
    video, bar = moving(T=16, step=(1, 0)), texture(96, seed=1)
    for t in range(4, 13):
        video[t, :, 8 * t - 20 : 8 * t - 2] = bar[:, :18]
    tracks = motes.load("flow").track(video, [(0, 50, 50), (0, 10, 85)])
    covered = [8 * t - 20 <= 50 + t < 8 * t - 2 for t in range(16)]
    assert tracks.visible[0].tolist() == [not hidden for hidden in covered]
    np.testing.assert_allclose(tracks.xy[0, -1], [65, 50], atol=0.1)


@pytest.mark.parametrize("latency", [None, 1, 4])
def test_a_stream_gives_what_the_video_gives(latency):
    tracker, video = motes.load("flow"), moving(T=21)
    queries = [(0, 40, 50), (5, 30, 40), (18, 60, 60)]
    stream = tracker.stream(queries, latency=latency)
    parts = [part for frame in video for part in stream.push(frame)]
    whole = tracker.track(video, queries)
    rest = stream.close()
    found = motes.Tracks.concat_frames([*parts, *([rest] if rest else [])])
    np.testing.assert_allclose(found.xy, whole.xy, atol=1e-3)
    np.testing.assert_array_equal(found.visible, whole.visible)


def test_a_long_stream_gives_what_the_whole_video_gives():
    """40 frames are three windows, which share most of their frames."""
    tracker, video = motes.load("flow"), moving(T=40, step=(1, 0), size=64)
    queries = [(0, 10, 50), (20, 30, 30), (35, 50, 20)]
    stream = tracker.stream(queries)
    parts = [part for frame in video for part in stream.push(frame)]
    found = motes.Tracks.concat_frames([*parts, stream.close()])
    whole = tracker.track(video, queries)
    np.testing.assert_array_equal(found.xy, whole.xy)
    np.testing.assert_array_equal(found.visible, whole.visible)
    np.testing.assert_allclose(whole.xy[0, -1], [49, 50], atol=0.5)


def test_errors_are_kept_from_window_to_window():
    """The position of a query is exact; what a window has found is the same in the next one."""
    video = moving(T=7, size=48) + np.random.default_rng(0).normal(0, 8, (7, 48, 48, 3))
    model = DenseFlow(FlowConfig(deltas=(1, 2), window_step=2)).eval()
    frames = torch.from_numpy(video).permute(0, 3, 1, 2)[None].float().clamp(0, 255)
    features, queries = model.encode(frames / 255), torch.tensor([[[0, 20.0, 20.0]]])
    prediction, first = model.advance(model.start(queries), features[:5], queries, 0)
    assert prediction.confidence[0, 0, 0] == 1
    assert (first.inverse_error[0, 0, 1:] < 1).all()
    _, second = model.advance(first, features[2:], queries, 2)
    torch.testing.assert_close(second.inverse_error[..., :3], first.inverse_error[..., 2:])
    torch.testing.assert_close(second.xy[:, :, :3], first.xy[:, :, 2:])


def test_a_point_that_leaves_the_image_is_hidden():
    tracks = motes.load("flow").track(moving(step=(4, 0)), [(0, 90, 50)])
    assert not tracks.visible[0, 2:].any()


def test_backward_is_forward_on_the_reversed_video():
    tracker, video = motes.load("flow"), moving()
    there = tracker.track(video, [(4, 40, 50)], backward=True)
    back = tracker.track(video[::-1].copy(), [(1, 40, 50)])
    np.testing.assert_allclose(there.xy[0, :5], back.xy[0, 1:][::-1], atol=1e-4)


def test_frames_that_are_too_small_are_refused():
    with pytest.raises(InputError, match="at least 12x12 pixels, got 10x20"):
        motes.load("flow").track(np.zeros((3, 20, 10, 3), np.uint8), [(0, 5, 5)])


def test_the_bare_model_takes_a_batch():
    video = torch.from_numpy(moving()).permute(0, 3, 1, 2)[None].float() / 255
    batch = torch.cat([video, video.flip(1)])
    queries = torch.tensor([[[0, 40.0, 50]], [[0, 50.0, 55]]])
    found = DenseFlow(FlowConfig()).eval()(batch, queries)
    assert found.xy.shape == (2, 6, 1, 2)
    assert torch.allclose(found.xy[0, -1, 0], torch.tensor([50.0, 55]), atol=0.3)
    assert torch.allclose(found.xy[1, -1, 0], torch.tensor([40.0, 50]), atol=0.3)


@pytest.mark.parametrize("name", ["flow", "motes-s"])
def test_what_is_computed_ahead_is_all_that_a_window_needs(name, monkeypatch):
    """All, but for the direct steps of motes-s, which depend on the points."""
    computed, original = [], flow_fields.FlowFields._predicted_flow
    monkeypatch.setattr(
        flow_fields.FlowFields,
        "_predicted_flow",
        lambda *arguments: computed.append(arguments[1:]) or original(*arguments),
    )
    stream = motes.load(name, memory="2G").stream([(0, 10, 30)], support=False)
    for frame in moving(T=9, step=(1, 0), size=48):
        stream.push(frame)
    finish_ahead()
    fields = computed.copy()
    assert len(fields) == (8 + 7 + 3) * 2 * (2 if name == "motes-s" else 1)
    stream.close()
    assert computed == fields
