"""Functions on tracks: smoothing, outliers, jumps, velocity and other frame rates.

All take and give `Tracks` in pixels, leave hidden frames out, and change nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from numbers import Rational

import numpy as np

from motes.errors import InputError
from motes.tracks import Tracks

SAME_TIME = 1e-6
"""Difference in seconds, or in frames, up to which times are the same."""

MIN_DEVIATION = 0.1
"""Of positions, in pixels: below it, a difference is noise and no outlier."""


def velocity(tracks: Tracks) -> np.ndarray:
    """Velocity of the points, by central differences of visible frames.

    Args:
        tracks: N points, T frames.

    Returns:
        float32 ``[N, T, 2]``, pixels per second; NaN where neither neighbour is visible.

    Example:
        >>> from motes.edit import velocity
        >>> np.nanmedian(velocity(tracks), axis=(0, 1)).round().tolist()
        [25.0, 0.0]
    """
    N, T = tracks.visible.shape
    step = np.full((N, T + 1, 2), np.nan, np.float32)
    both = tracks.visible[:, 1:] & tracks.visible[:, :-1]
    duration = np.diff(seconds(tracks))[:, None]
    step[:, 1:T][both] = (np.diff(tracks.xy, axis=1) / duration)[both]
    sides = np.stack([step[:, :-1], step[:, 1:]])
    known = np.isfinite(sides)
    total = np.where(known, sides, 0).sum(0)
    count = known.sum(0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.astype(np.float32)


def jumps(tracks: Tracks, threshold: float = 6.0) -> np.ndarray:
    """Frames to which a point jumps: its step differs from those around it and of other points.

    A step is compared with the median step of the point within three frames, and the deviation is
    scaled by the median deviation of all points in all frames.

    Args:
        tracks: N points, T frames.
        threshold: How many times larger than usual the deviation must be.

    Returns:
        bool ``[N, T]``.

    Raises:
        InputError: The threshold is not positive.

    Example:
        >>> from motes.edit import jumps
        >>> jumps(tracks).shape
        (9, 12)
    """
    _check_positive("threshold", threshold)
    N, T = tracks.visible.shape
    found = np.zeros((N, T), bool)
    if T < 3:
        return found
    step = np.diff(tracks.xy.astype(float), axis=1)
    step[~(tracks.visible[:, 1:] & tracks.visible[:, :-1])] = np.nan
    deviation = np.linalg.norm(step - _running_median(step, 3), axis=2)
    usual = np.nanmedian(deviation) if np.isfinite(deviation).any() else 0.0
    found[:, 1:] = deviation > threshold * max(float(usual), MIN_DEVIATION)
    return found


def hampel(tracks: Tracks, window: int = 3, threshold: float = 3.0) -> Tracks:
    """Replace outliers by the median of their neighbours in time (Hampel filter).

    Args:
        tracks: N points, T frames.
        window: Number of frames on each side.
        threshold: An outlier is further from the median than this many deviations; the deviation
            is 1.4826 times the median absolute deviation in the window.

    Returns:
        The tracks, with outliers replaced; hidden frames are not used and not changed.

    Raises:
        InputError: The window or the threshold is not positive.

    Example:
        >>> from dataclasses import replace
        >>> from motes.edit import hampel
        >>> xy = tracks.xy.copy()
        >>> xy[0, 5] += 20
        >>> cleaned = hampel(replace(tracks, xy=xy))
        >>> bool(np.abs(cleaned.xy[0, 5] - tracks.xy[0, 5]).max() < 2)
        True
    """
    _check_positive("window", window)
    _check_positive("threshold", threshold)
    xy = tracks.xy.astype(float)
    xy[~tracks.visible] = np.nan
    median = _running_median(xy, window)
    spread = 1.4826 * _running_median(np.abs(xy - median), window)
    outlier = np.abs(xy - median) > threshold * np.maximum(spread, MIN_DEVIATION)
    outlier &= tracks.visible[..., None]
    return replace(tracks, xy=np.where(outlier, median, tracks.xy))


def _running_median(values: np.ndarray, window: int) -> np.ndarray:
    """Medians ``[N, T, 2]`` over 2 `window` + 1 frames, NaN left out."""
    if not values.size:
        return values
    padded = np.pad(values, ((0, 0), (window, window), (0, 0)), constant_values=np.nan)
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * window + 1, axis=1)
    known = np.isfinite(views).any(-1)
    filled = np.where(known[..., None], views, 0.0)
    return np.where(known, np.nanmedian(filled, axis=-1), np.nan)


def one_euro(tracks: Tracks, cutoff: float = 1.0, speed: float = 0.02) -> Tracks:
    """Smooth with the 1-euro filter (Casiez, Roussel and Vogel, "1 Euro Filter", 2012).

    A slow point is smoothed much, a fast one little, so that it does not lag.  The filter needs no
    future frames.  It starts again where a point reappears.

    Args:
        tracks: N points, T frames.
        cutoff: Cutoff frequency in Hz of a point at rest; smaller is smoother.
        speed: Increase of the cutoff with the speed, in Hz per pixel per second; larger lags less.

    Returns:
        The smoothed tracks.

    Raises:
        InputError: `cutoff` is not positive, or `speed` is negative.

    Example:
        >>> from motes.edit import one_euro
        >>> one_euro(tracks, cutoff=0.5).xy.shape
        (9, 12, 2)
    """
    _check_positive("cutoff", cutoff)
    if speed < 0:
        raise InputError(f"speed: expected 0 or more, got {speed:g}")
    rates = 1 / np.diff(seconds(tracks))
    xy = tracks.xy.astype(float)
    derivative = np.zeros((tracks.num_points, 2))
    for i, rate in enumerate(rates, 1):
        going = (tracks.visible[:, i] & tracks.visible[:, i - 1])[:, None]
        change = (tracks.xy[:, i] - xy[:, i - 1]) * rate
        derivative = np.where(going, derivative + _share(1.0, rate) * (change - derivative), 0.0)
        share = _share(cutoff + speed * np.abs(derivative), rate)
        xy[:, i] = np.where(going, xy[:, i - 1] + share * (xy[:, i] - xy[:, i - 1]), xy[:, i])
    return replace(tracks, xy=xy)


def _share(cutoff: np.ndarray | float, rate: float) -> np.ndarray:
    """Weight of the newest sample in a low-pass filter of that cutoff."""
    return np.asarray(1 / (1 + rate / (2 * np.pi * np.asarray(cutoff))))


def resample(tracks: Tracks, fps: Rational | float) -> Tracks:
    """The tracks at another frame rate, by linear interpolation.

    Args:
        tracks: N points, T frames.
        fps: The new frame rate.

    Returns:
        Tracks that begin at the same time.  A point is visible between two frames in which it is
        visible.  Frames are numbered as in a video of the new rate.

    Raises:
        InputError: The rate is not positive, or there is no frame.

    Example:
        >>> from motes.edit import resample
        >>> resample(tracks, 50).num_frames
        23
    """
    _check_positive("fps", float(fps))
    if not tracks.num_frames:
        raise InputError("tracks: expected at least one frame, got none")
    rate = Fraction(fps).limit_denominator(1_000_000)
    known = seconds(tracks)
    first = int(np.ceil(known[0] * float(rate) - SAME_TIME))
    last = max(first, int(np.floor(known[-1] * float(rate) + SAME_TIME)))
    low, high, share = _brackets(known, np.arange(first, last + 1) / float(rate))

    def mixed(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return (1 - weight) * values[:, low] + weight * values[:, high]

    queries = tracks.queries.copy()
    queries[:, 0] = np.rint(queries[:, 0] * float(rate / tracks.fps))
    return replace(
        tracks,
        xy=mixed(tracks.xy, share[:, None]),
        visible=tracks.visible[:, low] & tracks.visible[:, high],
        confidence=mixed(tracks.confidence, share).clip(0, 1),
        queries=queries,
        fps=rate,
        start=first,
        times=None,
    )


def _brackets(known: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each wanted time the columns before and after it, and its share of the way between."""
    last = len(known) - 1
    low = np.clip(np.searchsorted(known, wanted + SAME_TIME, "right") - 1, 0, last)
    high = np.minimum(low + 1, last)
    length = known[high] - known[low]
    share = np.clip((wanted - known[low]) / np.where(length > 0, length, 1), 0, 1)
    return low, np.where(share < SAME_TIME, low, high), share


def seconds(tracks: Tracks) -> np.ndarray:
    """Times of the frames in seconds from frame 0 of the video: float64 ``[T]``.

    Example:
        >>> from motes.edit.filters import seconds
        >>> seconds(tracks)[:3].tolist()
        [0.0, 0.04, 0.08]
    """
    if tracks.times is not None:
        return tracks.times
    return np.array(tracks.frames) / float(tracks.fps)


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise InputError(f"{name}: expected a positive number, got {value:g}")
