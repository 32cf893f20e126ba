import pytest
import torch
import torch.nn.functional as F

from motes.features.encoder import FineEncoder, FrameEncoder, encode_video, instance_norm, pyramid
from motes.features.resnet import ResNet50


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return FrameEncoder((8, 12, 16, 16), 24, 10, stride=4).eval()


def test_instance_norm_is_pytorchs():
    x = torch.randn(2, 6, 9, 7).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(instance_norm(x), F.instance_norm(x), atol=1e-6, rtol=1e-5)


def test_shapes(encoder):
    levels = encode_video(encoder, torch.rand(2, 3, 3, 36, 52), 3)
    assert [tuple(v.shape) for v in levels] == [
        (2, 3, 9, 13, 10),
        (2, 3, 4, 6, 10),
        (2, 3, 2, 3, 10),
    ]
    assert all(v.is_contiguous() for v in levels)


def test_frames_do_not_influence_each_other(encoder):
    """Neither within a video nor across the batch, for any number of frames encoded together."""
    video = torch.rand(2, 3, 3, 32, 32)
    together = encode_video(encoder, video, 2)
    alone = encode_video(encoder, video[1:, 2:], 2)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:, 2:], b, atol=1e-5, rtol=1e-5)


def test_normalised(encoder):
    level = encode_video(encoder, torch.rand(1, 1, 3, 32, 32), 1, normalised=True)[0]
    torch.testing.assert_close(level.norm(dim=-1), torch.ones(1, 1, 8, 8))


def test_pyramid_drops_an_odd_row():
    x = torch.arange(15.0).view(1, 1, 3, 5)
    assert pyramid(x, 2)[1].flatten().tolist() == [3, 5]


@pytest.mark.parametrize("size", [(6, 8), (50, 60)])
def test_the_norm_for_training_is_group_norm_with_its_gradient(size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size).contiguous(memory_format=torch.channels_last)
    weight = torch.randn_like(x)
    found, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    (instance_norm(found) * weight).sum().backward()
    (F.group_norm(expected, 3, eps=1e-5) * weight).sum().backward()
    torch.testing.assert_close(instance_norm(found), F.group_norm(expected, 3, eps=1e-5))
    torch.testing.assert_close(found.grad, expected.grad, atol=1e-5, rtol=1e-4)


def test_the_fine_map_has_half_the_size_of_the_frame():
    encoder = FineEncoder((4, 4, 4, 4), 8, 6).eval()
    levels = encoder.pyramid(torch.rand(2, 3, 32, 48), 4)
    assert [tuple(m.shape) for m in levels] == [
        (2, 16, 24, 6), (2, 8, 12, 6), (2, 4, 6, 6), (2, 2, 3, 6),
    ]  # fmt: skip
    torch.testing.assert_close(levels[0].norm(dim=-1), torch.ones(2, 16, 24))


@pytest.mark.parametrize("make", [lambda: FrameEncoder((8, 8, 8, 8), 8, 8, 4), ResNet50])
@pytest.mark.parametrize("count", [1, 2])
def test_maps_are_channels_last_also_those_of_a_single_frame(make, count):
    """The first stride of a single frame says nothing, and convolutions took the other order."""
    video = torch.rand(1, count, 64, 64, 3).permute(0, 1, 4, 2, 3)
    with torch.inference_mode():
        found = make().eval()(video.flatten(0, 1))
    finest = found[0] if isinstance(found, list) else found
    assert finest.stride()[1:] == (1, finest.shape[1] * finest.shape[3], finest.shape[1])
