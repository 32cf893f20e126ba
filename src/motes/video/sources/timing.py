"""The frame rate of a video from the times of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

LARGEST_DENOMINATOR = 1_000_000
"""Of an average frame rate."""

JITTER = 0.02
"""Part of a frame's duration by which times may be off while the rate still counts as steady."""


@dataclass(frozen=True)
class Timing:
    """When the frames of a video are shown.

    Attributes:
        fps: Frames per second, exact; the average where the rate varies.
        times: float64 ``[T]``, seconds after the first frame; None where the rate is steady.
    """

    fps: Fraction
    times: np.ndarray | None = None

    @classmethod
    def of(cls, ticks: Sequence[int], unit: Fraction, rates: Sequence[Fraction] = ()) -> Timing:
        """From the times of at least two frames.

        Args:
            ticks: Ascending.
            unit: Seconds a tick.
            rates: Frame rates that a header names: they are exact where they fit.
        """
        average = _average(ticks, unit)
        found = np.array(ticks, np.float64)
        for rate in [*rates, average]:
            if _is_steady(found, rate * unit):
                return cls(rate)
        return cls(average, (found - found[0]) * float(unit))


def _average(ticks: Sequence[int], unit: Fraction) -> Fraction:
    span = (ticks[-1] - ticks[0]) * unit
    return ((len(ticks) - 1) / span).limit_denominator(LARGEST_DENOMINATOR)


def _is_steady(ticks: np.ndarray, frames_per_tick: Fraction) -> bool:
    """Whether times keep a rate, but for rounding to whole ticks."""
    period = 1 / frames_per_tick
    rounding = 0.0 if period.denominator == 1 and period < 10 else 1.0
    off = ticks - np.arange(len(ticks)) * float(period)
    return bool(np.ptp(off) <= max(rounding + 0.01, JITTER * period))
