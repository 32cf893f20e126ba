"""Dense flow between frames."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from os import getpid
from threading import Event

import cv2
import numpy as np
import pytest
import torch

from motes.errors import InputError
from motes.features import flow_fields
from motes.features.flow_fields import FlowCache, frame_hashes, grey, inside
from planes import fields, finish_ahead, moving, texture


@pytest.fixture
def searches(monkeypatch):
    """The scales of all searches."""
    scales, search = [], flow_fields._search

    def listen(before, after, scale, initial=None):
        scales.append(scale)
        return search(before, after, scale, initial)

    monkeypatch.setattr(flow_fields, "_search", listen)
    return scales


def test_grey_is_that_of_bt601():
    colours = torch.eye(3).view(1, 3, 3, 1, 1)  # red, green, blue: one frame each
    assert grey(colours).flatten().tolist() == [76, 150, 29]


def test_equal_frames_have_equal_frame_hashes():
    a, b, c, d = frame_hashes(moving(2).repeat(1, 2, 1, 1))[0].tolist()
    assert (a, b) == (c, d) and a != b


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 0), (0, 3), (4, 0), (2, 3), (3, 2)])
def test_a_field_says_how_far_pixels_move(a, b):
    (field,) = fields(moving()).flow(a, b)
    assert field.shape == (36, 48, 3)
    np.testing.assert_allclose(np.median(field, (0, 1)), [2 * (b - a), b - a, 0], atol=0.1)


def initial_flow(found, a, b):
    """Where the search from frame a to frame b starts."""
    before, after = found.frame(0, a), found.frame(0, b)
    return flow_fields._initial_flow(before, after, found._predicted_flow(0, a, b))


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1), (0, 2), (0, 4)])
def test_an_initial_flow_finds_fast_motion(a, b):
    initial = initial_flow(fields(moving(5, (-5, 0))), a, b)
    assert np.median(initial[..., 0]) == pytest.approx(-5 * (b - a), abs=1)


def test_the_initial_flow_is_the_one_that_matches_the_frames():
    """A bar passes between frames 0 and 2: the short steps go with it, the long one must not."""
    frames = moving(3, (0, 0))
    frames[0, 1, :, 30:60] = torch.from_numpy(texture(72, 30, seed=1))
    initial = initial_flow(fields(frames), 0, 2)
    assert np.abs(initial).mean() < 0.5


def test_searches_are_fine_once_and_coarse_for_their_initial_flow(searches):
    found = fields(moving())
    found.flow(0, 1)
    assert searches == [2, 0]
    found.flow(1, 2)
    assert searches == [2, 0, 2, 2, 0]  # itself, and the frame before
    found.flow(1, 3)
    assert searches[5:] == [2, 2, 0, 2, 0]  # itself, and from 2 to 3


def test_a_cache_is_shared_by_equal_frames(searches):
    frames, cache = moving(2, (1, 0)), FlowCache()
    (field,) = fields(frames, cache=cache).flow(0, 1)
    assert np.array_equal(fields(frames.clone(), cache=cache).flow(0, 1)[0], field)
    assert searches == [2, 0]
    fields(frames, cache=cache).flow(1, 0)
    assert searches == [2, 0, 2, 0]
    fields(frames, cache=FlowCache()).flow(0, 1)
    assert searches == [2, 0] * 3


def test_a_field_depends_on_its_frames_and_the_one_before_alone(searches):
    """Else results would depend on where windows start."""
    frames = moving(9)
    (whole,) = fields(frames).flow(4, 7)
    (part,) = fields(frames[:, 3:8]).flow(1, 4)
    assert np.array_equal(whole, part)


def test_fields_do_not_depend_on_earlier_requests():
    """Longer steps start from shorter ones, which other deltas choose otherwise."""
    frames, cache = moving(6), FlowCache()
    alone = fields(frames, (1, 3)).flow(0, 4)[0]
    for deltas in ((1, 2, 4), (1, 3), (1, 2, 4)):
        found = fields(frames, deltas, cache).flow(0, 4)[0]
        assert np.array_equal(found, alone) == (deltas == (1, 3))


@pytest.mark.parametrize(
    ("a", "b", "hops"),
    [
        (0, 2, [(0, 1), (1, 2)]),
        (3, 0, [(3, 1), (1, 0)]),
        (1, 8, [(1, 5), (5, 7), (7, 8)]),
        (0, 8, [(0, 4), (4, 8)]),
    ],
)
def test_long_steps_are_composed_of_short_ones(a, b, hops):
    assert flow_fields._hops(a, b, (1, 2, 4, 8)) == hops


def test_videos_of_a_batch_have_their_own_fields():
    found = fields(torch.cat([moving(2, (1, 0)), moving(2, (0, 2))])).flow(0, 1)
    assert [np.median(field, (0, 1))[:2].round().tolist() for field in found] == [[1, 0], [0, 2]]


def test_one_video_with_several_groups_is_searched_once():
    found = fields(moving(2).expand(3, -1, -1, -1))
    assert len(found.flow(0, 1)) == 1
    points = torch.tensor([[[[30.0, 20.0]]], [[[50.0, 40.0]]], [[[60.0, 30.0]]]])
    truth = torch.tensor([2.0, 1.0]).expand(3, 1, 1, 2)
    moves, _ = found.sample([(0, 1)], points)
    torch.testing.assert_close(moves, truth, atol=0.3, rtol=0)


def test_steps_and_videos_are_not_confused():
    found = fields(torch.cat([moving(3, (1, 0)), moving(3, (0, 2))]))
    moves, _ = found.sample([(0, 1), (2, 0)], torch.full((2, 1, 2, 2), 40.0))
    truth = torch.tensor([[[[1.0, 0], [-2, 0]]], [[[0, 2], [0, -4]]]])
    torch.testing.assert_close(moves, truth, atol=0.3, rtol=0)


def test_the_appearance_cost_shows_what_changed():
    frames = moving(2, (0, 0))
    frames[0, 1, :, 48:] = torch.from_numpy(texture(72, 48, seed=1))
    frames[0, :, :20] = 90  # flat, which is like flat
    field = fields(frames).flow(0, 1)[0][..., 2]
    assert np.median(field[14:, :20]) < 0.05 < 0.15 < np.median(field[14:, 30:])
    assert np.abs(field[:6]).max() < 0.05


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_the_appearance_cost_ignores_brightness(gain):
    frames = moving(2, (1, 0)).float()
    frames[:, 1] = frames[:, 1] * gain
    field = fields((frames * 0.6 + 10).byte()).flow(0, 1)[0][..., 2]
    assert np.median(field) < 0.1


def test_a_cache_is_bounded():
    cache = FlowCache(250)
    arrays = [np.zeros(100, np.int8) for _ in range(3)]
    cache.put((0,), arrays[0])
    cache.put((1,), arrays[1])
    assert cache.get((0,)) is arrays[0]  # now the last one used
    cache.put((2,), arrays[2])
    assert [cache.get((i,)) is not None for i in range(3)] == [True, False, True]
    assert cache.nbytes == 200


def test_a_field_that_two_threads_need_is_computed_once():
    cache, started, go, calls = FlowCache(), Event(), Event(), []

    def compute():
        calls.append(1)
        started.set()
        assert go.wait(10)
        return np.zeros(1)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache.get_or_compute, (0,), compute)
        assert started.wait(10)
        second = threads.submit(cache.get_or_compute, (0,), compute)
        go.set()
        assert first.result(10) is second.result(10) and calls == [1]


def test_an_error_reaches_all_who_wait_and_the_field_can_be_requested_again():
    cache = FlowCache()
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute((0,), lambda: np.zeros(1) / (1 // 0))
    assert cache.get_or_compute((0,), lambda: np.ones(1)) == 1


def test_flow_is_computed_ahead_until_it_is_cancelled(searches):
    cache, frames = FlowCache(), moving(3)
    fields(frames, cache=cache).compute_ahead([(0, 1)], [(1, 0)])
    fields(frames, cache=cache).compute([(0, 1)], [(1, 0)])
    assert sorted(searches) == [0, 0, 2, 2]
    hold = Event()
    busy = [flow_fields._workers("ahead", getpid()).submit(hold.wait, 10) for _ in range(2)]
    fields(frames, cache=cache).compute_ahead([(1, 2)])
    cache.cancel_ahead()
    hold.set()
    finish_ahead()
    assert all(task.result(10) for task in busy) and len(searches) == 4
    fields(frames, cache=cache).compute_ahead([(1, 2)])
    fields(frames, cache=cache).compute([(1, 2)])
    assert len(searches) > 4


def test_what_is_needed_now_does_not_wait_behind_what_runs_ahead(searches):
    cache, frames, hold = FlowCache(), moving(3), Event()
    busy = [flow_fields._workers("ahead", getpid()).submit(hold.wait, 30) for _ in range(2)]
    fields(frames, cache=cache).compute_ahead([(1, 2)])
    fields(frames, cache=cache).compute([(0, 1)])
    assert searches == [2, 0]
    hold.set()
    finish_ahead()
    assert all(task.result(30) for task in busy) and len(searches) > 2


def test_frames_that_are_too_small_are_refused():
    with pytest.raises(InputError, match=r"at least 12x12 pixels, got 20x8"):
        fields(torch.zeros(1, 2, 8, 20, dtype=torch.uint8))


@pytest.mark.parametrize("size", [(72, 96), (71, 95)])
def test_a_field_is_read_where_the_point_is(size):
    """A video that is magnified about its top left corner: the flow is a tenth of the position."""
    H, W = size
    before = texture(2 * H, 2 * W)[:H, :W]
    after = cv2.warpAffine(before, np.float32([[1.1, 0, 0], [0, 1.1, 0]]), (W, H))
    points = torch.tensor([[[x, y]] for x in (20.0, 47.5, 70.0) for y in (15.0, 40.25, 55.0)])[None]
    frames = torch.from_numpy(np.stack([before, after]))[None]
    moves, _ = fields(frames).sample([(0, 1)], points)
    torch.testing.assert_close(moves, 0.1 * points, atol=0.3, rtol=0)


def test_inside_ends_at_the_edges_of_the_pixels():
    xy = torch.tensor([[-0.4, 0.0], [-0.6, 0.0], [9.4, 7.4], [9.6, 7.0], [9.0, 7.6]])
    assert inside(xy, (8, 10)).tolist() == [True, False, True, False, False]


def test_a_search_that_is_used_again_finds_what_a_new_one_finds():
    """A new thread has new searches."""
    a, b, c = moving(3)[0].numpy()
    flow_fields.compute_field(b, c, None)
    flow_fields.compute_field(a[:40, :50].copy(), b[:40, :50].copy(), None)
    with ThreadPoolExecutor(1) as new:
        expected = new.submit(flow_fields.compute_field, a, b, None).result()
    assert np.array_equal(flow_fields.compute_field(a, b, None), expected)


@pytest.mark.parametrize("size", [(16, 300), (20, 512), (24, 24), (31, 200), (300, 16)])
def test_a_search_in_narrow_frames_gives_the_same_each_time(size):
    """OpenCV chooses scales for small frames, and crashed in wide ones of few rows."""
    a, b = moving(2, (1, 0), 312, 520)[0, :, : size[0], : size[1]].numpy().copy()
    first, second = (flow_fields.compute_field(a, b, None) for _ in range(2))
    assert np.isfinite(first).all() and np.array_equal(first, second)


def test_a_thread_keeps_few_searches():
    made = flow_fields._Searches()
    first = made.get((0, (40, 50)), object)
    for width in range(51, 50 + flow_fields.MAX_SEARCHES):
        made.get((0, (40, width)), object)
    assert made.get((0, (40, 50)), object) is first
    made.get((2, (40, 50)), object)
    assert len(made._made) == flow_fields.MAX_SEARCHES


def test_a_forked_process_searches_too():
    fields(moving(2)).compute(
        [(0, 1)], [(1, 0)]
    )  # starts threads, which a fork does not take along
    frames = moving(3, (0, 1))
    child = get_context("fork").Process(target=fields(frames).compute, args=([(0, 1)], [(1, 0)]))
    child.start()
    child.join(30)
    hangs = child.is_alive()
    child.kill()
    assert not hangs and child.exitcode == 0


def test_refinement_brings_a_flow_nearer_to_the_frames():
    before, after = (flow_fields._halved(frame) for frame in moving(2)[0].numpy())
    noise = np.random.default_rng(0).normal(0, 0.5, (*before.shape, 2))
    flow = np.add([2, 1], noise).astype(np.float32)
    middle = flow_fields._refined(before, after, flow)[8:-8, 8:-8]
    assert np.abs(middle - [2, 1]).mean() < 0.4 * np.abs(noise).mean()
