"""The convolutional frame encoder that all CoTracker versions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motes.features.enlarged import conv_of_joined
from motes.features.winograd import convolve


def instance_norm(x: Tensor) -> Tensor:
    """Normalise each channel of each frame over its pixels.

    One group per channel makes group norm the same function; unlike PyTorch's instance norm it
    has a fast kernel for channels-last memory, but neither for its gradient nor for bfloat16, see
    `_CpuNorm`.
    """
    if x.device.type == "cpu" and (x.requires_grad or x.dtype == torch.bfloat16):
        return _CpuNorm.apply(x)
    return F.group_norm(x, x.shape[1], eps=EPSILON)


EPSILON = 1e-5
"""Added to variances."""

SMALL_MAP = 48 * 48
"""Pixels up to which norms written out are faster than group norm, on a CPU, in bfloat16."""


class _CpuNorm(torch.autograd.Function):
    """Instance norm with statistics and gradients in float32.

    In bfloat16 PyTorch's group norm takes 11 ms for a map of 48x24x24, this 0.3 ms.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        n, C, H, W = x.shape
        if H * W > SMALL_MAP:
            y, mean, scale = torch.native_group_norm(x, None, None, n, C, H * W, C, EPSILON)
            ctx.save_for_backward(x, mean.float().view(n, 1, C), scale.float().view(n, 1, C))
            return y
        rows = _rows(x)
        mean = rows.mean(1, keepdim=True)
        variance = (rows * rows).mean(1, keepdim=True) - mean * mean
        scale = (variance.clamp(min=0) + EPSILON).rsqrt()
        ctx.save_for_backward(x, mean, scale)
        return _maps((rows - mean) * scale, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, mean, scale = ctx.saved_tensors
        g, y = _rows(gradient), (_rows(x) - mean) * scale
        g = g - g.mean(1, keepdim=True) - y * (g * y).mean(1, keepdim=True)
        return _maps(g * scale, x)


def _rows(maps: Tensor) -> Tensor:
    """``[n, C, H, W]`` as float32 ``[n, H * W, C]``; a view of channels-last memory in float32."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2).float()


def _maps(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_rows`."""
    maps = torch.empty_like(like, memory_format=torch.channels_last)
    maps.permute(0, 2, 3, 1).flatten(1, 2).copy_(rows)
    return maps


def channels_last(frames: Tensor) -> Tensor:
    """A copy of frames ``[n, C, H, W]`` in channels-last memory.

    `Tensor.contiguous` would leave a single frame as it is whose first stride says nothing, as that
    of ``video.flatten(0, 1)``; convolutions then return the other order, in which what follows is
    up to 25 times slower.
    """
    return frames.clone(memory_format=torch.channels_last)


FRAMES_AT_A_TIME = 8
"""Frames that are encoded together.  Inference on a CPU takes one, which fits into its caches; in
training the gradient of every part is as large as all weights."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        shortcut = nn.Conv2d(in_channels, out_channels, 1, stride) if stride > 1 else None
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, C, H, W]`` to ``[n, C', H / stride, W / stride]``."""
        y = instance_norm(convolve(self.conv1, x)).relu_()
        y = instance_norm(convolve(self.conv2, y)).relu_()
        skip = x if self.shortcut is None else instance_norm(self.shortcut(x))
        y = y + skip if torch.is_grad_enabled() else y.add_(skip)
        return y.relu_()


class FrameEncoder(nn.Module):
    """Frames in, one feature map each out; frames do not influence each other.

    Four residual stages at 1/2, 1/4, 1/8 and 1/16 of the size are brought to one size, joined and
    mixed (CoTracker, section 3.2).

    Args:
        widths: Channels of the four stages.
        mixed: Channels after the stages are joined.
        out_channels: Channels of the result.
        stride: The result is 1/stride of the frame.
    """

    def __init__(self, widths: Sequence[int], mixed: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.out_channels = out_channels
        self.stem = nn.Conv2d(3, widths[0], 7, 2, 3)
        ins = (widths[0], *widths[:-1])
        strides = (1, *(2 for _ in widths[1:]))
        self.stages = nn.ModuleList(
            nn.Sequential(ResidualBlock(a, b, s), ResidualBlock(b, b, 1))
            for a, b, s in zip(ins, widths, strides, strict=True)
        )
        self.mix = nn.Conv2d(sum(widths), mixed, 3, padding=1)
        self.out = nn.Conv2d(mixed, out_channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Tensor) -> Tensor:
        """Encode frames.

        Args:
            frames: ``[n, 3, H, W]`` in [-1, 1].

        Returns:
            ``[n, C, H // stride, W // stride]``, channels-last in memory.
        """
        return self.out(self.mixed(frames)[1])

    def mixed(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The first stage, ``[n, C0, H / 2, W / 2]``, and all stages joined, before `out`."""
        size = [side // self.stride for side in frames.shape[-2:]]
        x = channels_last(frames)
        x = instance_norm(self.stem(x)).relu_()
        stages = []
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        return stages[0], instance_norm(conv_of_joined(self.mix, stages, size)).relu_()


class FineEncoder(nn.Module):
    """A `FrameEncoder` with one more map, at half the size of the frame.

    The finest map is made from the first stage, whose receptive field is small, and a few channels
    of context from the deeper stages.

    Args:
        widths: Channels of the four stages.
        mixed: Channels after the stages are joined.
        out_channels: Channels of both maps.
        stride: The coarse map is 1/stride of the frame.
        hint: Channels of the context from the deeper stages.
    """

    def __init__(
        self, widths: Sequence[int], mixed: int, out_channels: int, stride: int = 4, hint: int = 16
    ) -> None:
        super().__init__()
        self.coarse = FrameEncoder(widths, mixed, out_channels, stride)
        self.hint = nn.Conv2d(mixed, hint, 1)
        self.mix = nn.Conv2d(widths[0] + hint, out_channels, 3, padding=1)
        self.out = nn.Conv2d(out_channels, out_channels, 1)
        for module in (self.hint, self.mix, self.out):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Encode frames.

        Args:
            frames: ``[n, 3, H, W]`` in [-1, 1].

        Returns:
            ``[n, C, H // 2, W // 2]`` and ``[n, C, H // stride, W // stride]``.
        """
        first, mixed = self.coarse.mixed(frames)
        hint = F.interpolate(
            self.hint(mixed), size=first.shape[-2:], mode="bilinear", align_corners=False
        )
        fine = instance_norm(self.mix(torch.cat([first, hint.to(first.dtype)], 1))).relu_()
        return self.out(fine), self.coarse.out(mixed)

    def pyramid(self, frames: Tensor, levels: int) -> tuple[Tensor, ...]:
        """Unit features of frames ``[n, 3, H, W]`` in [-1, 1], per level ``[n, h, w, C]``.

        The first level is the fine map; the others are the coarse map and its averages.
        """
        maps = self(frames)
        fine, coarse = (F.normalize(x.float(), dim=1, eps=1e-6) for x in maps)
        levels_of = fine.permute(0, 2, 3, 1), *pyramid(coarse, levels - 1)
        return tuple(level.to(maps[0].dtype) for level in levels_of)


def encode_video(
    encoder: FrameEncoder, video: Tensor, levels: int, normalised: bool = False
) -> tuple[Tensor, ...]:
    """Feature pyramid of every frame.

    Args:
        encoder: For single frames.
        video: ``[B, T, 3, H, W]`` in [0, 1].
        levels: Of the pyramid.
        normalised: Whether each feature vector is scaled to length 1 (before the pyramid).

    Returns:
        Per level ``[B, T, h, w, C]``, the finest first.
    """
    dtype = encoder.stem.weight.dtype

    def encode(frames: Tensor) -> tuple[Tensor, ...]:
        features = encoder(frames.to(dtype))
        if normalised:
            features = F.normalize(features, dim=1, eps=1e-6)
        return pyramid(features, levels)

    return encode_in_parts(encode, video)


def encode_in_parts(
    encode: Callable[[Tensor], tuple[Tensor, ...]], video: Tensor
) -> tuple[Tensor, ...]:
    """Encode the frames of a video, a few at a time.

    Args:
        encode: From frames ``[n, 3, H, W]`` in [-1, 1] to maps ``[n, h, w, C]``.
        video: ``[B, T, 3, H, W]`` in [0, 1].

    Returns:
        Per map ``[B, T, h, w, C]``.
    """
    B, T = video.shape[:2]
    single = video.device.type == "cpu" and not torch.is_grad_enabled()
    count = 1 if single else FRAMES_AT_A_TIME
    parts = [encode(2 * frames - 1) for frames in video.flatten(0, 1).split(count)]
    return tuple(torch.cat(level).unflatten(0, (B, T)) for level in zip(*parts, strict=True))


def pyramid(features: Tensor, levels: int) -> tuple[Tensor, ...]:
    """Halve feature maps by averaging 2x2 pixels; an odd last row or column is dropped.

    Args:
        features: ``[n, C, h, w]``.
        levels: Number of maps, the given one included.

    Returns:
        Maps ``[n, h, w, C]``, the finest first.  A map of one pixel is not divided further.
    """
    maps = [features]
    while len(maps) < levels:
        maps.append(F.avg_pool2d(maps[-1], 2))
    return tuple(m.permute(0, 2, 3, 1) for m in maps)
