"""Backbones that give feature maps at several scales.

`ResNet50` has the layout and the parameter names of torchvision's (He et al. 2016, the stride of a
stage on its 3x3 convolution), with frozen batch norms.  `ResidualPyramid` is small enough to be
trained from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.features.encoder import ResidualBlock, channels_last, instance_norm
from motes.features.winograd import conv2d


class FrozenNorm(nn.Module):
    """Batch norm that never changes; `conv_norm` folds it into the convolution before it."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """The norm as ``x * scale + shift``."""
        scale = self.weight * (self.running_var + 1e-5).rsqrt()
        return scale, self.bias - self.running_mean * scale


def conv_norm(x: Tensor, conv: nn.Conv2d, norm: FrozenNorm) -> Tensor:
    """Convolution and frozen norm in one pass over memory."""
    scale, shift = norm.scale_and_shift()
    weight = conv.weight * scale[:, None, None, None]
    return conv2d(x, weight, shift.to(weight.dtype), conv.stride, conv.padding)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution beside a shortcut; the output has 4 times the inner width."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = FrozenNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = FrozenNorm(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = FrozenNorm(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.ModuleList([shortcut, FrozenNorm(out_channels)])

    def forward(self, x: Tensor) -> Tensor:
        """``[n, C, h, w]`` to ``[n, 4 * width, h / stride, w / stride]``."""
        y = conv_norm(x, self.conv1, self.bn1).relu_()
        y = conv_norm(y, self.conv2, self.bn2).relu_()
        y = conv_norm(y, self.conv3, self.bn3)
        skip = x if self.downsample is None else conv_norm(x, *self.downsample)
        return (y + skip).relu_()


class ResNet50(nn.Module):
    """Feature maps at 1/4, 1/8, 1/16 and 1/32 of the image; odd sizes are rounded up."""

    stride = 4
    out_channels = (256, 512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenNorm(64)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 512, 3, 2)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Encode frames ``[n, 3, H, W]``; the finest map first."""
        x = channels_last(frames)
        x = F.max_pool2d(conv_norm(x, self.conv1, self.bn1).relu_(), 3, 2, 1)
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


def _stage(in_channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    rest = (Bottleneck(4 * width, width, 1) for _ in range(blocks - 1))
    return nn.Sequential(Bottleneck(in_channels, width, stride), *rest)


class ResidualPyramid(nn.Module):
    """The residual blocks of CoTracker's encoder, as a pyramid: maps at 1/4, 1/8, 1/16, ...

    Args:
        widths: Channels of the stages; the first stage, at 1/2, is not given out.
    """

    stride = 4

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = tuple(widths[1:])
        self.stem = nn.Conv2d(3, widths[0], 7, 2, 3)
        self.stages = nn.ModuleList(
            nn.Sequential(ResidualBlock(a, b, 2), ResidualBlock(b, b, 1))
            for a, b in pairwise(widths)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Encode frames ``[n, 3, H, W]``; the finest map first."""
        x = channels_last(frames)
        x = instance_norm(self.stem(x)).relu()
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps
