"""Lucas-Kanade through the `Tracker`, on videos whose motion is known."""

import cv2
import numpy as np
import pytest

import motes

SHIFT = np.array([3.25, -1.5])


def texture(H, W, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0, 255, (H, W, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)


def sliding(size, T, margin=64):
    """A texture that moves by exactly `SHIFT` pixels a frame."""
    W, H = size
    big = texture(H + 2 * margin, W + 2 * margin)
    if max(size) > 1000:  # keep the detail when the tracker looks at a smaller picture
        big = cv2.resize(texture((H + 2 * margin) // 2, (W + 2 * margin) // 2), big.shape[1::-1])
    frames = []
    for t in range(T):
        shift = np.array([[1, 0, margin - SHIFT[0] * t], [0, 1, margin - SHIFT[1] * t]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frames.append(cv2.warpAffine(big, shift, size, flags=flags))
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tracker():
    return motes.load("lk")


@pytest.mark.parametrize("size", [(320, 240), (321, 243), (1280, 720)])
def test_follows_a_known_shift_to_a_tenth_of_a_pixel(tracker, size):
    T = 8
    video = sliding(size, T)
    queries = [(0, size[0] * a, size[1] * b) for a in (0.3, 0.5, 0.7) for b in (0.4, 0.6)]
    tracks = tracker.track(video, queries)
    truth = tracks.queries[:, None, 1:] + SHIFT * np.arange(T)[:, None]
    assert np.abs(tracks.xy - truth).max() < 0.1
    assert tracks.visible.all()
    assert (tracks.confidence > 0.9).all()


def test_queries_at_any_frame_and_backward(tracker):
    T = 10
    video = sliding((320, 240), T)
    queries = [(0, 150, 120), (4, 160.5, 118.25), (9, 170, 110)]
    ahead = tracker.track(video, queries)
    both = tracker.track(video, queries, backward=True)
    truth = both.queries[:, None, 1:] + SHIFT * (np.arange(T)[:, None] - both.queries[:, None, :1])
    assert np.abs(both.xy - truth).max() < 0.15
    assert both.visible.all()
    assert ahead.visible.tolist() == [[t >= q for t in range(T)] for q in (0, 4, 9)]
    assert (ahead.confidence[~ahead.visible] == 0).all()
    assert np.array_equal(ahead.xy[1, 4:], both.xy[1, 4:])
    for n, (t, x, y) in enumerate(queries):
        assert both.xy[n, t].tolist() == [x, y]
        assert both.confidence[n, t] == 1


def test_points_do_not_influence_each_other(tracker):
    video = sliding((160, 120), 5)
    queries = [(0, 50, 60), (1, 70, 62), (2, 80, 50)]
    together = tracker.track(video, queries)
    assert tracker.track(video, queries, joint=False) == together
    assert np.array_equal(tracker.track(video, queries[1:2]).xy[0], together.xy[1])


def test_a_point_that_leaves_is_hidden(tracker):
    video = sliding((160, 120), 12)
    tracks = tracker.track(video, [(0, 140, 60)])
    assert tracks.visible[0, :4].all()
    assert not tracks.visible[0, -1]
    assert tracks.confidence[0, -1] == 0
    assert (tracks.xy[0] < 160).all()


def test_a_covered_point_is_hidden(tracker):
    video = np.repeat(sliding((160, 120), 1), 6, 0)
    video[3:, 40:80, 60:100] = np.random.default_rng(0).integers(0, 255, (40, 40, 3))
    tracks = tracker.track(video, [(0, 80, 60), (0, 30, 30)])
    assert tracks.visible.tolist() == [[True] * 3 + [False] * 3, [True] * 6]


@pytest.mark.parametrize(
    ("T", "queries"), [(1, [(0, 20, 20)]), (5, []), (5, [(4, 20, 20)]), (5, [(0, 0, 0)])]
)
def test_small_cases(tracker, T, queries):
    tracks = tracker.track(sliding((160, 120), T), queries, backward=True)
    assert (tracks.num_points, tracks.num_frames) == (len(queries), T)
    for n, (t, *_) in enumerate(queries):
        assert tracks.visible[n, t]


def test_the_bare_model_keeps_the_contract(tracker):
    import torch

    video = torch.from_numpy(sliding((64, 48), 4)).permute(0, 3, 1, 2)[None].float() / 255
    queries = torch.tensor([[[0.0, 30, 20], [2, 20, 30]]])
    found = tracker.model(video, queries)
    assert found.xy.shape == (1, 4, 2, 2)
    assert found.visibility.shape == found.confidence.shape == (1, 4, 2)
    with pytest.raises(motes.InputError, match=r"queries: expected \[1, N, 3\]"):
        tracker.model(video, queries[0])
    with pytest.raises(motes.InputError, match="video: expected"):
        tracker.model(video[0], queries)
