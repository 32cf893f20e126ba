import pytest
import torch

from motes.data.sample import Sample, collate
from motes.errors import InputError


def parts(T=4, N=5, H=8, W=9):
    flags = torch.ones(T, N, dtype=torch.bool)
    xy = torch.rand(T, N, 2)
    return {
        "video": torch.zeros(T, 3, H, W, dtype=torch.uint8),
        "xy": xy,
        "visible": flags,
        "valid": flags,
    }


def test_a_sample_knows_its_shape():
    sample = Sample(**parts())
    assert (sample.num_frames, sample.num_points, sample.size) == (4, 5, (9, 8))


def test_collate_adds_a_batch_axis():
    batch = collate([Sample(**parts()), Sample(**parts())])
    assert batch.video.shape == (2, 4, 3, 8, 9)
    assert batch.xy.shape == (2, 4, 5, 2)
    assert batch.visible.shape == batch.valid.shape == (2, 4, 5)
    assert (batch.num_frames, batch.num_points, batch.size) == (4, 5, (9, 8))


def test_points_and_frames_are_selected_in_order_with_repeats():
    sample = Sample(**parts())
    chosen = sample.points(torch.tensor([3, 0, 3])).frames(torch.tensor([2, 1]))
    assert torch.equal(chosen.xy, sample.xy[[2, 1]][:, [3, 0, 3]])
    assert chosen.video.shape == (2, 3, 8, 9)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("video", torch.zeros(4, 3, 8, 9), "video: expected uint8"),
        ("video", torch.zeros(4, 1, 8, 9, dtype=torch.uint8), "video: expected uint8"),
        ("xy", torch.zeros(3, 5, 2), "xy: expected"),
        ("visible", torch.zeros(4, 5), "visible: expected torch.bool"),
        ("valid", torch.zeros(4, 6, dtype=torch.bool), "valid: expected"),
    ],
)
def test_wrong_shapes_and_types_are_reported(name, value, words):
    with pytest.raises(InputError, match=words):
        Sample(**parts() | {name: value})


def test_collate_needs_equal_shapes():
    with pytest.raises(InputError, match="one shape"):
        collate([Sample(**parts()), Sample(**parts(N=6))])
    with pytest.raises(InputError, match="at least one"):
        collate([])
