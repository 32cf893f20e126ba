"""Dense flow between frames, and points that follow it over steps of several lengths."""

import math

import cv2
import numpy as np
import pytest
import torch

from motes.errors import InputError
from motes.features import flow_fields
from motes.features.flow_fields import Fields, follow, grey, inside


def texture(H, W, seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (H // 6, W // 6), np.uint8)
    return cv2.resize(noise, (W, H), interpolation=cv2.INTER_CUBIC)


def moving(T=5, step=(2, 1), H=72, W=96):
    """A textured plane that moves by whole pixels, ``[1, T, H, W]``."""
    plane = texture(2 * H, 2 * W)
    corners = [(40 - step[0] * t, 30 - step[1] * t) for t in range(T)]
    return torch.from_numpy(np.stack([plane[y : y + H, x : x + W] for x, y in corners]))[None]


def ask(T, *points):
    """Queries (t, x, y) as places and errors of a window."""
    xy = torch.tensor([[p[1:]] * T for p in points], dtype=torch.float32)[None]
    error = torch.full(xy.shape[:3], math.inf)
    for n, (t, *_) in enumerate(points):
        error[0, n, t] = 0
    return xy, error


def test_grey_is_that_of_bt601():
    colours = torch.eye(3).view(1, 3, 3, 1, 1)  # red, green, blue: one frame each
    assert grey(colours).flatten().tolist() == [76, 150, 29]


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 0), (0, 3)])
def test_a_field_says_how_far_pixels_move(a, b):
    field = Fields(moving()).between(a, b)
    assert field.shape == (1, 36, 48, 2)
    expected = torch.tensor([2.0, 1.0]) * (b - a)
    torch.testing.assert_close(
        field.float().flatten(0, 2).median(0).values, expected, atol=0.1, rtol=0
    )


def test_the_same_frames_are_not_searched_twice(monkeypatch):
    frames = moving(2, (1, 0))
    field = Fields(frames).between(0, 1)
    monkeypatch.setattr(cv2.DISOpticalFlow, "create", None)
    assert torch.equal(Fields(frames.clone()).between(0, 1), field)
    with pytest.raises(TypeError):
        Fields(frames).between(1, 0)


def test_videos_of_a_batch_have_their_own_fields():
    videos = torch.cat([moving(2, (1, 0)), moving(2, (0, 2))])
    field = Fields(videos).between(0, 1).float()
    assert field.flatten(1, 2).median(1).values.round().tolist() == [[1, 0], [0, 2]]


def test_one_video_asked_about_twice_is_searched_once():
    frames = moving(2).expand(3, -1, -1, -1)
    assert Fields(frames).between(0, 1).shape[0] == 1
    points = torch.tensor([[[30.0, 20.0]], [[50.0, 40.0]], [[60.0, 30.0]]])
    moved, missed = Fields(frames).step(0, 1, points, torch.zeros(3, 1))
    torch.testing.assert_close(
        moved - points, torch.tensor([2.0, 1.0]).expand(3, 1, 2), atol=0.3, rtol=0
    )
    assert (missed < 0.3).all()


def test_leaving_the_frame_counts_as_an_error():
    points = torch.tensor([[[94.0, 40.0], [40.0, 40.0]]])
    _, missed = Fields(moving(2, (4, 0))).step(0, 1, points, torch.zeros(1, 2))
    assert missed[0, 0] > 20 and missed[0, 1] < 1


def test_what_is_remembered_is_bounded():
    memory = flow_fields._Memory(250)
    fields = [np.zeros(100, np.int8) for _ in range(3)]
    memory.put((0,), fields[0])
    memory.put((1,), fields[1])
    assert memory.get((0,)) is fields[0]  # used last: the other one goes
    memory.put((2,), fields[2])
    assert [memory.get((i,)) is not None for i in range(3)] == [True, False, True]


def test_frames_that_are_too_small_are_refused():
    with pytest.raises(InputError, match=r"at least 12x12 pixels, got 20x8"):
        Fields(torch.zeros(1, 2, 8, 20, dtype=torch.uint8))


@pytest.mark.parametrize("size", [(72, 96), (71, 95)])
def test_a_field_is_read_where_the_point_is(size):
    """A video that is magnified about its top left corner: the flow is a tenth of the place."""
    H, W = size
    before = texture(2 * H, 2 * W)[:H, :W]
    after = cv2.warpAffine(before, np.float32([[1.1, 0, 0], [0, 1.1, 0]]), (W, H))
    points = torch.tensor([[[x, y] for x in (20.0, 47.5, 70.0) for y in (15.0, 40.25, 55.0)]])
    frames = torch.from_numpy(np.stack([before, after]))[None]
    moved, _ = Fields(frames).step(0, 1, points, torch.zeros(1, 9))
    torch.testing.assert_close(moved, 1.1 * points, atol=0.3, rtol=0)


@pytest.mark.parametrize("deltas", [(1,), (1, 3)])
@pytest.mark.parametrize("t", [0, 2, 4])
def test_points_follow_the_texture_in_both_directions(t, deltas):
    xy, error = follow(moving(), *ask(5, (t, 40.0, 30.0)), deltas)
    away = torch.arange(5.0) - t
    torch.testing.assert_close(
        xy[0, 0], torch.stack([40 + 2 * away, 30 + away], -1), atol=0.3, rtol=0
    )
    assert error.max() < 0.3
    assert error[0, 0, t] == 0


def test_a_long_step_leads_past_what_hides_a_point():
    frames = moving(7, (1, 0))
    frames[0, 2:4, 10:60, 20:75] = torch.from_numpy(texture(96, 96, seed=1))[:50, :55]
    query = ask(7, (0, 45.0, 35.0))
    truth = torch.tensor([51.0, 35.0])
    lost, doubted = follow(frames, *query, (1,))
    found, error = follow(frames, *query, (1, 4))
    assert (lost[0, 0, -1] - truth).norm() > 1 or doubted[0, 0, -1] > 2
    torch.testing.assert_close(found[0, 0, -1], truth, atol=0.5, rtol=0)
    assert error[0, 0, -1] < 0.5 < error[0, 0, 2]


def test_what_is_known_stays_and_is_gone_on_from():
    xy, error = ask(5, (0, 40.0, 30.0))
    xy[0, 0, 2], error[0, 0, 2] = torch.tensor([60.0, 20.0]), 0.0  # somebody corrected it
    found, _ = follow(moving(), xy, error, (1,))
    torch.testing.assert_close(found[0, 0, 4], torch.tensor([64.0, 22.0]), atol=0.3, rtol=0)
    assert found[0, 0, 0].tolist() == [40, 30]


def test_errors_of_steps_add_up_in_squares():
    xy = torch.tensor([[[40.0, 30.0]] * 3])
    _, error = Fields(moving(2)).step(0, 1, xy, torch.tensor([[0.0, 3.0, torch.inf]]))
    torch.testing.assert_close(error[0, 1], torch.hypot(error[0, 0], torch.tensor(3.0)))
    assert error[0, 2].isinf()


@pytest.mark.parametrize(
    ("sure", "away", "error", "taken"),
    [
        (0.2, 2.0, 0.1, True),  # a little drift is mended
        (0.2, 2.0, 0.3, False),  # but not by a step that is less sure
        (0.2, 12.0, 0.1, False),  # the next copy of a pattern
        (5.0, 12.0, 0.1, True),  # the short steps were lost
        (math.inf, 90.0, 4.0, True),
    ],
)
def test_a_long_step_must_agree_with_a_sure_short_one(sure, away, error, taken):
    short = torch.zeros(1, 1, 2), torch.tensor([[sure]])
    long = torch.tensor([[[away, 0.0]]]), torch.tensor([[error]])
    place, best = flow_fields._best([short, long])
    assert (place[0, 0, 0].item(), best.item()) == pytest.approx(
        (away, error) if taken else (0, sure)
    )


def test_a_point_that_is_known_nowhere_rests():
    xy, error = ask(3, (0, 40.0, 30.0))
    error[:] = math.inf
    found, error = follow(moving(3), xy, error, (1,))
    assert torch.equal(found, xy) and error.isinf().all()


def test_inside_ends_at_the_edges_of_the_pixels():
    xy = torch.tensor([[-0.4, 0.0], [-0.6, 0.0], [9.4, 7.4], [9.6, 7.0], [9.0, 7.6]])
    assert inside(xy, (8, 10)).tolist() == [True, False, True, False, False]
