"""Smooth random motion, as functions of continuous time (in frames)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from motes.synthetic.dice import Dice


@dataclass(frozen=True)
class Curve:
    """Constant velocity plus a few slow waves, for C channels.

    Attributes:
        start: Value at time 0 without the waves, ``[C]``.
        velocity: Change per frame, ``[C]``.
        amplitude: Of the waves, ``[K, C]``.
        rate: Radians per frame, ``[K, C]``.
        phase: Radians, ``[K, C]``.
    """

    start: Tensor
    velocity: Tensor
    amplitude: Tensor
    rate: Tensor
    phase: Tensor

    def at(self, times: Tensor) -> Tensor:
        """Values ``[T, C]`` at the times ``[T]``."""
        t = times[:, None]
        waves = self.amplitude * torch.sin(self.rate * t[:, None] + self.phase)
        return self.start + self.velocity * t + waves.sum(1)

    def plus(self, other: Curve) -> Curve:
        """The sum of two motions."""
        first = (self.start, self.velocity, self.amplitude, self.rate, self.phase)
        second = (other.start, other.velocity, other.amplitude, other.rate, other.phase)
        waves = (torch.cat(pair) for pair in zip(first[2:], second[2:], strict=True))
        return Curve(self.start + other.start, self.velocity + other.velocity, *waves)

    def through(self, value: Tensor, time: float) -> Curve:
        """The same curve, shifted so that it has the given value ``[C]`` at that time."""
        now = self.at(torch.tensor([time], dtype=torch.float64))[0]
        return replace(self, start=self.start + value - now)


def wander(
    dice: Dice, speed: float, channels: int = 1, period: tuple[float, float] = (20, 120)
) -> Curve:
    """A random curve that is 0 at time 0.

    Args:
        dice: Random numbers of the clip.
        speed: Typical change per frame.
        channels: Number of channels C.
        period: Shortest and longest wave, in frames.
    """
    steady = dice.number(0, 1)  # 0: oscillates around a point, 1: straight motion
    rate = math.tau / torch.exp(dice.uniform(math.log(period[0]), math.log(period[1]), 3, channels))
    amplitude = dice.normal(3, channels) * (speed * (1 - steady) * 0.8) / rate
    velocity = dice.normal(channels) * speed * steady
    phase = dice.uniform(0, math.tau, 3, channels)
    zero = torch.zeros(channels, dtype=torch.float64)
    return Curve(zero, velocity, amplitude, rate, phase).through(zero, 0.0)


def still(channels: int = 1) -> Curve:
    """The curve that is always 0."""
    none = torch.zeros(channels, dtype=torch.float64)
    return Curve(none, none, none[None], none[None], none[None])


def shake(dice: Dice, speed: float, channels: int = 1) -> Curve:
    """Camera shake of a hand-held camera: fast small waves around 0."""
    rate = math.tau / dice.uniform(3, 14, 4, channels)
    amplitude = dice.normal(4, channels) * speed / rate / 2
    zero = torch.zeros(channels, dtype=torch.float64)
    return Curve(zero, zero, amplitude, rate, dice.uniform(0, math.tau, 4, channels))


@dataclass(frozen=True)
class Hops:
    """Vertical bounces: parabolas between contacts with the ground.

    Attributes:
        height: Of each hop.
        period: Frames between two contacts.
        phase: Fraction of a hop at time 0.
    """

    height: float = 0.0
    period: float = 1.0
    phase: float = 0.0

    def at(self, times: Tensor) -> Tensor:
        """Height ``[T]`` above the point of contact."""
        part = torch.frac(times / self.period + self.phase + 1e3)
        return 4 * self.height * part * (1 - part)
