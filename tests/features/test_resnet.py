import pytest
import torch
from torch import nn

from motes.features.resnet import Bottleneck, FrozenNorm, ResidualPyramid, ResNet50, conv_norm


def test_folded_norm_is_batch_norm() -> None:
    torch.manual_seed(0)
    conv, norm, batch_norm = nn.Conv2d(3, 5, 3, 2, 1, bias=False), FrozenNorm(5), nn.BatchNorm2d(5)
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(norm, name).copy_(torch.rand(5) + 0.5)
        getattr(batch_norm, name).data.copy_(getattr(norm, name))
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(conv_norm(x, conv, norm), batch_norm.eval()(conv(x)))


def test_frozen_norm_has_no_parameters() -> None:
    assert not list(FrozenNorm(4).parameters())


@pytest.mark.parametrize("stride", [1, 2])
def test_bottleneck(stride: int) -> None:
    assert Bottleneck(8, 4, stride)(torch.randn(1, 8, 6, 6)).shape == (
        1,
        16,
        6 // stride,
        6 // stride,
    )
    assert (Bottleneck(16, 4, 1).downsample is None) and (
        Bottleneck(8, 4, 1).downsample is not None
    )


def test_resnet_has_the_names_and_sizes_of_torchvision() -> None:
    with torch.device("meta"):
        names = ResNet50().state_dict()
    assert names["layer3.5.conv2.weight"].shape == (256, 256, 3, 3)
    assert names["layer4.0.downsample.1.running_var"].shape == (2048,)
    assert (
        sum(v.numel() for k, v in names.items() if "bn" not in k and "sample.1" not in k)
        == 23454912
    )


@pytest.mark.parametrize(
    ("make", "levels"), [(ResNet50, 4), (lambda: ResidualPyramid((8, 16, 24, 32)), 3)]
)
def test_maps_round_up(make, levels: int) -> None:
    backbone = make()
    with torch.no_grad():
        maps = backbone(torch.randn(1, 3, 36, 68))
    sizes = [(9, 17), (5, 9), (3, 5), (2, 3)][:levels]
    assert [tuple(m.shape) for m in maps] == [
        (1, c, *size) for c, size in zip(backbone.out_channels, sizes, strict=True)
    ]
