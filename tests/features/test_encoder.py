import pytest
import torch
import torch.nn.functional as F

from motes.features.encoder import FrameEncoder, encode_video, instance_norm, pyramid


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
    """Neither within a video nor across the batch, however many go through together."""
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
