"""What light, lens, sensor and coding do to a clip.

An effect is a function in `EFFECTS`: it gets the random numbers, the clip and the frames' times.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from motes.synthetic.config import SyntheticConfig
from motes.synthetic.dice import Dice
from motes.synthetic.motion import wander
from motes.synthetic.textures import blurred
from motes.synthetic.video_coding import as_coded

LEAST_SIGMA = 0.3
"""Deviation in pixels; narrower blur is left out."""

CRF = (26, 40)
"""Quality of H.264: the best and the worst rate factor."""

BLOCK = 8
"""Side of the blocks for the cosine transform, as in JPEG and MPEG."""


def camera_effects(config: SyntheticConfig, dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Apply random effects to a clip ``[T, 3, H, W]`` in 0..1."""
    for share, effect in EFFECTS:
        chance = getattr(config, share) if isinstance(share, str) else share
        if chance > 0 and dice.chance(chance):
            video = effect(dice, video, times)
    return video.clamp(0, 1)


def change_light(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """A lamp that is switched or flickers, or a soft shadow that passes."""
    return video * dice.choice(LIGHTS)(dice, video, times).to(video)


def _switched(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Gain ``[T, 3, 1, 1]`` that changes within a few frames, once or several times."""
    gain = torch.ones(len(times), 3, dtype=torch.float64)
    for _ in range(dice.integer(1, 3)):
        after = torch.sigmoid((times - dice.number(0, len(times))) * dice.scale(0.7, 8))
        level = dice.scale(0.45, 1.6) * dice.uniform(0.9, 1.1, 3)
        gain = torch.lerp(gain, level.expand_as(gain), after[:, None])
    return gain[..., None, None]


def _flickering(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Gain ``[T, 1, 1, 1]`` that changes from frame to frame."""
    rate, depth = dice.number(0.8, 3.1), dice.scale(0.03, 0.25)
    wave = torch.sin(rate * times + dice.number(0, math.tau))
    noise = dice.normal(len(times)).clamp(-2, 2)
    return (1 + depth * (0.6 * wave + 0.4 * noise))[:, None, None, None]


def _shaded(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Gain ``[T, 1, H, W]``: a dark or bright band with soft edges that moves across."""
    H, W = video.shape[-2:]
    angle, side = dice.number(0, math.tau), math.sqrt(H * W)
    y = torch.arange(H, dtype=torch.float64)[:, None] - H / 2
    x = torch.arange(W, dtype=torch.float64) - W / 2
    along = (math.cos(angle) * x + math.sin(angle) * y) / side
    start, speed = dice.number(-0.7, 0.3), dice.scale(0.003, 0.05)
    offset = along.float() - (start + speed * times).float()[:, None, None]
    softness, width = dice.scale(0.01, 0.2), dice.number(0.1, 0.5)
    band = torch.sigmoid((width - offset.abs()) / softness)
    return (1 + (dice.scale(0.4, 1.5) - 1) * band)[:, None]


LIGHTS = (_switched, _flickering, _shaded)
"""Changes of light; each gives factors that are laid over the clip."""


def drift(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Change exposure and white balance slowly, and apply a constant tone curve."""
    exposure = wander(dice, dice.scale(0.001, 0.015), period=(8, 60)).at(times)
    balance = wander(dice, dice.scale(0.0005, 0.004), 3, period=(20, 100)).at(times)
    gain = torch.exp((exposure + balance).clamp(-0.8, 0.8)).to(video)[..., None, None]
    return (video * gain).clamp_(0, 1).pow_(dice.scale(0.75, 1.3))


def focus(dice: Dice, video: Tensor, times: Tensor) -> Tensor:
    """Blur by a Gaussian whose width comes and goes, like a lens that searches for its focus."""
    widest = dice.scale(0.6, 3.0) * math.sqrt(video.shape[-1] * video.shape[-2]) / 256
    swing = torch.sin(times * math.tau / dice.scale(12, 120) + dice.number(0, math.tau))
    sigma = widest * (0.5 + 0.5 * swing)
    pairs = zip(video, sigma.tolist(), strict=True)
    return torch.stack([blurred(frame, s) if s > LEAST_SIGMA else frame for frame, s in pairs])


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


Effect = Callable[[Dice, Tensor, Tensor], Tensor]

EFFECTS: tuple[tuple[float | str, Effect], ...] = (
    ("light_changes", change_light),
    (0.6, drift),
    (0.3, lambda dice, video, times: vignette(video, dice.number(0.1, 0.6))),
    (0.25, lambda dice, video, times: soften(video, dice.number(0.05, 0.25))),
    ("defocus", focus),
    (0.6, lambda dice, video, times: noise(dice, video, dice.scale(0.003, 0.05))),
    (0.5, lambda dice, video, times: compress(video.clamp(0, 1), dice.scale(0.01, 0.08))),
    ("video_coding", lambda dice, video, times: as_coded(video, dice.integer(*CRF))),
)
"""Effects in the order in which they apply, each with its share of the clips: a number, or the
name of a field of the configuration."""
