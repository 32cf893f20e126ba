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
class Darts:
    """A smooth path through given positions, for C channels; equal neighbours are a pause.

    Cubic pieces (Hermite) whose slopes are those from the position before to the one after.

    Attributes:
        times: ``[K]``, ascending; before the first and after the last nothing moves.
        positions: ``[K, C]``.
    """

    times: Tensor
    positions: Tensor

    def at(self, times: Tensor) -> Tensor:
        """Values ``[T, C]`` at the times ``[T]``."""
        after = torch.searchsorted(self.times, times, right=True).clamp(1, len(self.times) - 1)
        before, slope = after - 1, self._slopes()
        length = (self.times[after] - self.times[before])[:, None]
        s = ((times - self.times[before])[:, None] / length).clamp(0, 1)
        a, b = self.positions[before], self.positions[after]
        curved = slope[before] * (1 - s) - slope[after] * s
        return a + (b - a) * s * s * (3 - 2 * s) + length * s * (1 - s) * curved

    def _slopes(self) -> Tensor:
        """Change per frame at each position, ``[K, C]``; 0 beside pauses and at both ends."""
        step = self.positions[1:] - self.positions[:-1]
        paused = (step == 0).all(1)
        slope = torch.zeros_like(self.positions)
        through = (self.positions[2:] - self.positions[:-2]) / (
            self.times[2:] - self.times[:-2]
        ).unsqueeze(1)
        slope[1:-1] = through.masked_fill((paused[1:] | paused[:-1])[:, None], 0.0)
        return slope


def dart(dice: Dice, speed: float, frames: int, reach: Tensor) -> Darts:
    """A random path like that of a small animal: runs, turns and pauses.

    Args:
        dice: Random numbers of the clip.
        speed: Typical change per frame while it moves.
        frames: Length of the clip.
        reach: ``[2]``; the path stays within plus and minus this.
    """
    position, angle, time = dice.uniform(-1, 1, 2) * reach, dice.number(0, math.tau), -1.0
    turning, resting = dice.number(0.2, 1.2), dice.number(0, 0.6)
    times, positions = [time], [position]
    while time < frames:
        time += dice.scale(1.5, 10)
        if not dice.chance(resting):
            angle += turning * float(dice.normal())
            step = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
            step = step * speed * dice.scale(0.4, 2.0) * (time - times[-1])
            position = positions[-1] + torch.where(
                (positions[-1] + step).abs() > reach, -step, step
            )
            position = position.clamp(-reach, reach)
        times.append(time)
        positions.append(position)
    return Darts(torch.tensor(times, dtype=torch.float64), torch.stack(positions))


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
