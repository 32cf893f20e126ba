"""Dense flow between frames, and points that follow it."""

import cv2
import numpy as np
import pytest
import torch

from motes.errors import InputError
from motes.features import flow_fields
from motes.features.flow_fields import Motion, flow_field, follow, grey


def texture(H, W, seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (H // 6, W // 6), np.uint8)
    return cv2.resize(noise, (W, H), interpolation=cv2.INTER_CUBIC)


def moving(T=5, step=(2, 1), H=72, W=96):
    plane = texture(2 * H, 2 * W)
    corners = [(40 - step[0] * t, 30 - step[1] * t) for t in range(T)]
    return torch.from_numpy(np.stack([plane[y : y + H, x : x + W] for x, y in corners]))


def uniform(T, step):
    """Fields of a video in which everything moves by `step` (x, y) a frame."""
    ahead = torch.tensor(step).view(1, 1, 2, 1, 1).expand(1, T - 1, 2, 8, 10)
    return Motion(ahead, -ahead)


def test_grey_is_that_of_bt601():
    colours = torch.eye(3).view(1, 3, 3, 1, 1)  # red, green, blue: one frame each
    assert grey(colours).flatten().tolist() == [76, 150, 29]


def test_the_field_points_from_before_to_after():
    before, after = moving(2).numpy()
    field = flow_field(before, after)
    assert field.shape == (72, 96, 2)
    np.testing.assert_allclose(np.median(field, (0, 1)), [2, 1], atol=0.1)


def test_the_same_frames_are_not_searched_twice(monkeypatch):
    before, after = moving(2, (1, 0)).numpy()
    field = flow_field(before, after)
    monkeypatch.setattr(cv2.DISOpticalFlow, "create", None)
    assert flow_field(before.copy(), after.copy()) is field
    with pytest.raises(TypeError):
        flow_field(after, before)


def test_what_is_remembered_is_bounded():
    memory = flow_fields._Memory(250)
    fields = [np.zeros(100, np.int8) for _ in range(4)]
    memory.put((0,), fields[0])
    memory.put((1,), fields[1])
    assert memory.get((0,)) is fields[0]  # used last: the other one goes
    memory.put((2,), fields[2])
    assert [memory.get((i,)) is not None for i in range(3)] == [True, False, True]


def test_frames_that_are_too_small_are_refused():
    with pytest.raises(InputError, match=r"at least 12x12 pixels, got 20x8"):
        flow_field(np.zeros((8, 20), np.uint8), np.zeros((8, 20), np.uint8))


@pytest.mark.parametrize("anchor", [0, 2, 4])
def test_points_follow_the_texture_in_both_directions(anchor):
    xy, error = follow(
        Motion.of(moving()[None]), torch.tensor([[[40.0, 30.0]]]), torch.tensor([[anchor]])
    )
    expected = 40 + 2 * (torch.arange(5) - anchor), 30 + (torch.arange(5) - anchor)
    torch.testing.assert_close(xy[0, 0], torch.stack(expected, -1).float(), atol=0.3, rtol=0)
    assert error.max() < 0.3
    assert error[0, 0, anchor] == 0


def test_every_point_has_its_own_anchor():
    places = torch.tensor([[[3.0, 2.0], [4.0, 5.0]]])
    xy, error = follow(uniform(3, (1.0, -0.5)), places, torch.tensor([[0, 2]]))
    assert xy[0, 0].tolist() == [[3, 2], [4, 1.5], [5, 1]]
    assert xy[0, 1].tolist() == [[2, 6], [3, 5.5], [4, 5]]
    assert not error.any()


def test_the_error_is_the_largest_on_the_way():
    ahead = torch.zeros(1, 3, 2, 8, 10)
    back = torch.zeros(1, 3, 2, 8, 10)
    back[0, 1, 0] = 5  # between frames 1 and 2, the way back does not lead home
    _, error = follow(Motion(ahead, back), torch.tensor([[[4.0, 4.0]] * 2]), torch.tensor([[0, 3]]))
    assert error[0].tolist() == [[0, 0, 5, 5], [5, 5, 0, 0]]


def test_a_single_frame_has_no_motion():
    xy, error = follow(
        Motion.of(moving(1)[None]), torch.tensor([[[4.0, 5.0]]]), torch.tensor([[0]])
    )
    assert xy.tolist() == [[[[4, 5]]]]
    assert error.tolist() == [[[0]]]
