"""Points that follow dense flow over steps of several lengths."""

import math

import pytest
import torch

from motes.features.flow_chain import best, follow, step
from planes import fields, known, moving, texture


@pytest.mark.parametrize("deltas", [(1,), (1, 3)])
@pytest.mark.parametrize("t", [0, 2, 4])
def test_points_follow_the_texture_in_both_directions(t, deltas):
    xy, error = follow(fields(moving(), deltas), *known(5, (t, 40.0, 30.0)))
    away = torch.arange(5.0) - t
    truth = torch.stack([40 + 2 * away, 30 + away], -1)
    torch.testing.assert_close(xy[0, 0], truth, atol=0.3, rtol=0)
    assert error.max() < 0.3
    assert error[0, 0, t] == 0


def test_a_long_step_leads_past_what_hides_a_point():
    frames = moving(7, (1, 0))
    frames[0, 2:4, 10:60, 20:75] = torch.from_numpy(texture(96, 96, seed=1))[:50, :55]
    query = known(7, (0, 45.0, 35.0))
    truth = torch.tensor([51.0, 35.0])
    lost, lost_error = follow(fields(frames, (1,)), *query)
    found, error = follow(fields(frames, (1, 4)), *query)
    assert (lost[0, 0, -1] - truth).norm() > 1 or lost_error[0, 0, -1] > 2
    torch.testing.assert_close(found[0, 0, -1], truth, atol=0.5, rtol=0)
    assert error[0, 0, -1] < 0.5 < error[0, 0, 2]


def test_known_positions_stay_and_are_continued():
    xy, error = known(5, (0, 40.0, 30.0))
    xy[0, 0, 2], error[0, 0, 2] = torch.tensor([60.0, 20.0]), 0.0  # a correction
    found, _ = follow(fields(moving(), (1,)), xy, error)
    torch.testing.assert_close(found[0, 0, 4], torch.tensor([64.0, 22.0]), atol=0.3, rtol=0)
    assert found[0, 0, 0].tolist() == [40, 30]


def test_leaving_the_frame_counts_as_an_error():
    points = torch.tensor([[[[94.0, 40.0]], [[40.0, 40.0]]]])
    _, error = step(fields(moving(2, (4, 0))), [0], 1, points, torch.zeros(1, 2, 1))
    assert error[0, 0] > 20 and error[0, 1] < 1


def test_a_changed_appearance_counts_as_an_error():
    frames = moving(2, (0, 0))
    frames[0, 1, 20:60, 50:90] = 255 - frames[0, 1, 20:60, 50:90]  # inverted
    points = torch.tensor([[[[25.0, 40.0]], [[70.0, 40.0]]]])
    _, error = step(fields(frames), [0], 1, points, torch.zeros(1, 2, 1))
    assert error[0, 0] < 0.3 and error[0, 1] > 2


def test_steps_from_several_frames_end_together():
    points = torch.tensor([[[[40.0, 30.0], [44.0, 32.0]]]])
    moved, _ = step(fields(moving()), [0, 2], 3, points, torch.zeros(1, 1, 2))
    truth = torch.tensor([46.0, 33.0]).expand(1, 1, 2, 2)
    torch.testing.assert_close(moved, truth, atol=0.3, rtol=0)


def test_errors_of_steps_add_up_in_squares():
    xy = torch.tensor([[[[40.0, 30.0]]] * 3])
    before = torch.tensor([[[0.0], [3.0], [math.inf]]])
    _, error = step(fields(moving(2)), [0], 1, xy, before)
    torch.testing.assert_close(error[0, 1], torch.hypot(error[0, 0], torch.tensor([3.0])))
    assert error[0, 2].isinf()


@pytest.mark.parametrize(
    ("short_error", "distance", "error", "taken"),
    [
        (0.2, 2.0, 0.1, True),  # a little drift is mended
        (0.2, 2.0, 0.3, False),  # but not by a step with a larger error
        (0.2, 12.0, 0.1, False),  # the next copy of a pattern
        (5.0, 12.0, 0.1, True),  # the short steps were lost
        (math.inf, 90.0, 4.0, True),
    ],
)
def test_a_long_step_must_agree_with_a_reliable_short_one(short_error, distance, error, taken):
    place, total = best(
        torch.tensor([[[[0.0, 0.0], [distance, 0.0]]]]), torch.tensor([[[short_error, error]]])
    )
    expected = (distance, error) if taken else (0, short_error)
    assert (place[0, 0, 0].item(), total.item()) == pytest.approx(expected)


def test_a_point_without_a_known_position_rests():
    xy, error = known(3, (0, 40.0, 30.0))
    error[:] = math.inf
    found, error = follow(fields(moving(3)), xy, error)
    assert torch.equal(found, xy) and error.isinf().all()
