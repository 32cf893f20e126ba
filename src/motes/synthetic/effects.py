"""Camera effects: drift of exposure and colour, softness, noise and compression."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.synthetic.dice import Dice
from motes.synthetic.motion import wander

BLOCK = 8
"""Side of the blocks for the cosine transform, as in JPEG and MPEG."""


def camera_effects(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Apply random camera effects to a clip ``[T, 3, H, W]`` in 0..1."""
    if dice.chance(0.6):
        video = drift(dice, video, times)
    if dice.chance(0.3):
        video = vignette(video, dice.number(0.1, 0.6))
    if dice.chance(0.25):
        video = soften(video, dice.number(0.05, 0.25))
    if dice.chance(0.6):
        video = noise(dice, video, dice.scale(0.003, 0.05))
    if dice.chance(0.5):
        video = compress(video.clamp(0, 1), dice.scale(0.01, 0.08))
    return video.clamp(0, 1)


def drift(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Change exposure and white balance slowly, and apply a constant tone curve."""
    exposure = wander(dice, dice.scale(0.001, 0.015), period=(8, 60)).at(times)
    balance = wander(dice, dice.scale(0.0005, 0.004), 3, period=(20, 100)).at(times)
    gain = torch.exp((exposure + balance).clamp(-0.8, 0.8)).to(video)[..., None, None]
    return (video * gain).clamp_(0, 1).pow_(dice.scale(0.75, 1.3))


def vignette(video: Tensor, strength: float) -> Tensor:
    """Darken the corners by a fraction `strength`."""
    H, W = video.shape[-2:]
    y = torch.linspace(-1, 1, H, device=video.device)[:, None]
    x = torch.linspace(-1, 1, W, device=video.device)[None]
    return video * (1 - strength / 2 * (x.square() + y.square()))


def soften(video: Tensor, weight: float) -> Tensor:
    """Blur slightly, like an unsharp lens: mix each pixel with its neighbours."""
    padded = F.pad(video, (1, 1, 1, 1), mode="replicate")
    rows = torch.lerp(padded[..., 1:-1, :], (padded[..., :-2, :] + padded[..., 2:, :]) / 2, weight)
    return torch.lerp(rows[..., 1:-1], (rows[..., :-2] + rows[..., 2:]) / 2, weight)


def noise(dice: Dice, video: Tensor, deviation: float) -> Tensor:
    """Add noise, independent in every frame, to brightness and (half as strong) to colour."""
    generator = dice.on(video.device)
    T, _, H, W = video.shape
    grey = torch.randn(T, 1, H, W, generator=generator, device=video.device)
    colour = torch.randn(video.shape, generator=generator, device=video.device)
    return video + deviation * (0.85 * grey + 0.5 * colour)


def compress(video: Tensor, step: float) -> Tensor:
    """Quantise the frequencies of 8x8 blocks, high ones and those of colour more coarsely.

    Args:
        video: ``[T, 3, H, W]`` in 0..1; borders that fill no block stay unchanged.
        step: Quantisation step of the lowest frequency of brightness.
    """
    H, W = (side // BLOCK * BLOCK for side in video.shape[-2:])
    mix, unmix = (matrix.to(video) for matrix in _ycc())
    planes = torch.einsum("ij,tjhw->tihw", mix, video[..., :H, :W])
    blocks = planes.unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK))  # [T, 3, h, 8, w, 8]
    basis = _cosines().to(video)
    k = torch.arange(BLOCK, device=video.device)
    steps = step * (1 + 0.5 * (k[:, None, None] + k))  # [8, 1, 8]
    steps = torch.stack([steps, 2.5 * steps, 2.5 * steps])[:, None]  # [3, 1, 8, 1, 8]
    spectrum = (basis @ blocks.transpose(3, 4)) @ basis.T  # [T, 3, h, w, 8, 8]
    spectrum = _rounded(spectrum, steps.transpose(3, 2).reshape(3, 1, 1, BLOCK, BLOCK))
    blocks = (basis.T @ spectrum @ basis).transpose(3, 4)
    video = video.clone()
    video[..., :H, :W] = torch.einsum("ij,tjhw->tihw", unmix, blocks.reshape(planes.shape))
    return video


def _rounded(spectrum: Tensor, steps: Tensor) -> Tensor:
    return (spectrum / steps).round_() * steps


def _cosines() -> Tensor:
    """The orthonormal 8x8 discrete cosine transform."""
    k = torch.arange(BLOCK, dtype=torch.float64)
    basis = torch.cos(math.pi / BLOCK * k[:, None] * (k + 0.5)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return basis


def _ycc() -> tuple[Tensor, Tensor]:
    """From RGB to brightness and two differences of colour (BT.601), and back."""
    mix = torch.tensor(
        [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]],
        dtype=torch.float64,
    )
    return mix, torch.linalg.inv(mix)
