"""Dense flow between frames."""

from multiprocessing import get_context

import cv2
import numpy as np
import pytest
import torch

from motes.errors import InputError
from motes.features import flow_fields
from motes.features.flow_fields import fingerprints, forget, grey, inside
from planes import fields, moving, texture


@pytest.fixture
def searches(monkeypatch):
    """An empty memory, and the scales of all searches."""
    scales, search = [], flow_fields._search

    def listen(before, after, scale, guess=None):
        scales.append(scale)
        return search(before, after, scale, guess)

    monkeypatch.setattr(flow_fields, "_memory", flow_fields._Memory(2**20))
    monkeypatch.setattr(flow_fields, "_search", listen)
    return scales


def test_grey_is_that_of_bt601():
    colours = torch.eye(3).view(1, 3, 3, 1, 1)  # red, green, blue: one frame each
    assert grey(colours).flatten().tolist() == [76, 150, 29]


def test_equal_frames_have_equal_fingerprints():
    a, b, c, d = fingerprints(moving(2).repeat(1, 2, 1, 1))[0].tolist()
    assert (a, b) == (c, d) and a != b


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 0), (0, 3), (4, 0), (2, 3), (3, 2)])
def test_a_field_says_how_far_pixels_move(a, b):
    (field,) = fields(moving()).between(a, b)
    assert field.shape == (36, 48, 3)
    np.testing.assert_allclose(np.median(field, (0, 1)), [2 * (b - a), b - a, 0], atol=0.1)


def first_guess(found, a, b):
    """Where the search from frame a to frame b begins."""
    video = found.videos[0]
    return flow_fields._guess(video[a], video[b], found._likely(0, a, b))


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1), (0, 2), (0, 4)])
def test_a_guess_makes_fast_things_found(a, b):
    guess = first_guess(fields(moving(5, (-5, 0))), a, b)
    assert np.median(guess[..., 0]) == pytest.approx(-5 * (b - a), abs=1)


def test_a_guess_is_what_looks_better():
    """A bar passes between frames 0 and 2: the short steps go with it, the long one must not."""
    frames = moving(3, (0, 0))
    frames[0, 1, :, 30:60] = torch.from_numpy(texture(72, 30, seed=1))
    guess = first_guess(fields(frames), 0, 2)
    assert np.abs(guess).mean() < 0.5


def test_searches_are_fine_once_and_coarse_for_their_guesses(searches):
    found = fields(moving())
    found.between(0, 1)
    assert searches == [2, 0]
    found.between(1, 2)
    assert searches == [2, 0, 2, 2, 0]  # itself, and the frame before
    found.between(1, 3)
    assert searches[5:] == [2, 2, 0, 2, 0]  # itself, and from 2 to 3


def test_the_same_frames_are_not_searched_twice(searches):
    frames = moving(2, (1, 0))
    (field,) = fields(frames).between(0, 1)
    assert np.array_equal(fields(frames.clone()).between(0, 1)[0], field)
    assert searches == [2, 0]
    fields(frames).between(1, 0)
    assert searches == [2, 0, 2, 0]
    forget()
    fields(frames).between(0, 1)
    assert searches == [2, 0] * 3


def test_a_field_is_that_of_its_frames_and_the_one_before(searches):
    """Else answers would depend on where windows begin."""
    frames = moving(9)
    (whole,) = fields(frames).between(4, 7)
    flow_fields._memory = flow_fields._Memory(2**20)
    (part,) = fields(frames[:, 3:8]).between(1, 4)
    assert np.array_equal(whole, part)


@pytest.mark.parametrize(
    ("a", "b", "hops"),
    [
        (0, 2, [(0, 1), (1, 2)]),
        (3, 0, [(3, 1), (1, 0)]),
        (1, 8, [(1, 5), (5, 7), (7, 8)]),
        (0, 8, [(0, 4), (4, 8)]),
    ],
)
def test_long_steps_are_led_to_by_short_ones(a, b, hops):
    assert flow_fields._hops(a, b, (1, 2, 4, 8)) == hops


def test_videos_of_a_batch_have_their_own_fields():
    found = fields(torch.cat([moving(2, (1, 0)), moving(2, (0, 2))])).between(0, 1)
    assert [np.median(field, (0, 1))[:2].round().tolist() for field in found] == [[1, 0], [0, 2]]


def test_one_video_asked_about_twice_is_searched_once():
    found = fields(moving(2).expand(3, -1, -1, -1))
    assert len(found.between(0, 1)) == 1
    points = torch.tensor([[[[30.0, 20.0]]], [[[50.0, 40.0]]], [[[60.0, 30.0]]]])
    truth = torch.tensor([2.0, 1.0]).expand(3, 1, 1, 2)
    moves, _ = found.sample([(0, 1)], points)
    torch.testing.assert_close(moves, truth, atol=0.3, rtol=0)


def test_steps_and_videos_are_not_confused():
    found = fields(torch.cat([moving(3, (1, 0)), moving(3, (0, 2))]))
    moves, _ = found.sample([(0, 1), (2, 0)], torch.full((2, 1, 2, 2), 40.0))
    truth = torch.tensor([[[[1.0, 0], [-2, 0]]], [[[0, 2], [0, -4]]]])
    torch.testing.assert_close(moves, truth, atol=0.3, rtol=0)


def test_what_looks_unlike_is_said_to():
    frames = moving(2, (0, 0))
    frames[0, 1, :, 48:] = torch.from_numpy(texture(72, 48, seed=1))
    frames[0, :, :20] = 90  # flat, which is like flat
    field = fields(frames).between(0, 1)[0][..., 2]
    assert np.median(field[14:, :20]) < 0.05 < 0.15 < np.median(field[14:, 30:])
    assert np.abs(field[:6]).max() < 0.05


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_light_does_not_make_things_unlike(gain):
    frames = moving(2, (1, 0)).float()
    frames[:, 1] = frames[:, 1] * gain
    field = fields((frames * 0.6 + 10).byte()).between(0, 1)[0][..., 2]
    assert np.median(field) < 0.1


def test_what_is_remembered_is_bounded():
    memory = flow_fields._Memory(250)
    arrays = [np.zeros(100, np.int8) for _ in range(3)]
    memory.put((0,), arrays[0])
    memory.put((1,), arrays[1])
    assert memory.get((0,)) is arrays[0]  # used last: the other one goes
    memory.put((2,), arrays[2])
    assert [memory.get((i,)) is not None for i in range(3)] == [True, False, True]


def test_frames_that_are_too_small_are_refused():
    with pytest.raises(InputError, match=r"at least 12x12 pixels, got 20x8"):
        fields(torch.zeros(1, 2, 8, 20, dtype=torch.uint8))


@pytest.mark.parametrize("size", [(72, 96), (71, 95)])
def test_a_field_is_read_where_the_point_is(size):
    """A video that is magnified about its top left corner: the flow is a tenth of the place."""
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


def test_a_forked_process_searches_too():
    fields(moving(2)).find([(0, 1)], [(1, 0)])  # starts threads, which a fork does not take along
    frames = moving(3, (0, 1))
    child = get_context("fork").Process(target=fields(frames).find, args=([(0, 1)], [(1, 0)]))
    child.start()
    child.join(30)
    hangs = child.is_alive()
    child.kill()
    assert not hangs and child.exitcode == 0
