"""Colours for points: bright on any footage, and even to the eye.

All palettes are made in OKLCH (B. Ottosson, "A perceptual color space for image processing", 2020),
where equal steps look equal, and keep to a lightness that stands out from a dark outline.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from motes.common.registry import suggest
from motes.errors import InputError
from motes.tracks import Tracks

# Stops of palettes: (lightness, chroma, hue), each about as vivid as a screen shows that hue.
RAINBOW = (
    (0.67, 0.24, 22), (0.77, 0.18, 60), (0.88, 0.18, 98), (0.87, 0.22, 122), (0.82, 0.22, 145),
    (0.85, 0.15, 190), (0.72, 0.16, 240), (0.64, 0.21, 280), (0.68, 0.27, 322), (0.72, 0.22, 352),
)  # fmt: skip
SLOW_TO_FAST = ((0.64, 0.20, 275), (0.78, 0.14, 215), (0.86, 0.21, 140), (0.90, 0.18, 98),
                (0.70, 0.22, 35))  # fmt: skip
UNSURE_TO_SURE = ((0.66, 0.25, 18), (0.79, 0.17, 65), (0.91, 0.18, 105), (0.85, 0.15, 180))
TOLERANCE = 3e-4  # of linear RGB, much less than one step of a screen
GOLDEN = 0.6180339887  # steps of the golden ratio fill a circle evenly


def oklch(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """Convert OKLCH to RGB; colours that no screen can show lose chroma, not lightness or hue.

    Args:
        lightness: ``[...]`` in [0, 1].
        chroma: ``[...]``, 0 for grey, up to about 0.3.
        hue: ``[...]`` in degrees.

    Returns:
        uint8 ``[..., 3]``, sRGB.
    """
    L, C, h = np.broadcast_arrays(*(np.asarray(v, float) for v in (lightness, chroma, hue)))
    low, high = np.zeros_like(C), C
    for _ in range(8):
        middle = (low + high) / 2
        linear = _linear_rgb(L, middle, h)
        fits = _in_gamut(linear)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    whole = _linear_rgb(L, C, h)
    shown = _in_gamut(whole)[..., None]
    return _encode(np.where(shown, whole, _linear_rgb(L, low, h)))


def _in_gamut(linear: np.ndarray) -> np.ndarray:
    return np.all((linear > -TOLERANCE) & (linear < 1 + TOLERANCE), axis=-1)


def _linear_rgb(L: np.ndarray, C: np.ndarray, h: np.ndarray) -> np.ndarray:
    a, b = C * np.cos(np.radians(h)), C * np.sin(np.radians(h))
    to_lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728],
         [1, -0.0894841775, -1.2914855480]]
    )  # fmt: skip
    to_rgb = np.array(
        [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
         [-0.0041960863, -0.7034186147, 1.7076147010]]
    )  # fmt: skip
    return (np.stack([L, a, b], -1) @ to_lms.T) ** 3 @ to_rgb.T


def _encode(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255).astype(np.uint8)


def ramp(
    stops: tuple[tuple[float, float, float], ...],
    values: np.ndarray,
    lighter: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Interpolate between OKLCH colours.

    Args:
        stops: ``(lightness, chroma, hue)`` at even distances over [0, 1].
        values: ``[...]`` in [0, 1].
        lighter: ``[...]``, added to the lightness.

    Returns:
        uint8 ``[..., 3]``, sRGB.
    """
    at = np.linspace(0, 1, len(stops))
    L, C, h = (np.interp(values, at, part) for part in zip(*stops, strict=True))
    return oklch((L + lighter).clip(0, 1), C, h)


def starts(tracks: Tracks) -> np.ndarray:
    """Column in which each point begins: its query, or earlier if it was tracked backward.

    Returns:
        int ``[N]``; T for a point that never begins.
    """
    N, T = tracks.visible.shape
    asked = np.clip(np.rint(tracks.queries[:, 0]).astype(int) - tracks.start, 0, T)
    seen = np.where(tracks.visible.any(1), tracks.visible.argmax(1), T) if T else np.zeros(N, int)
    return np.minimum(asked, seen)


def by_position(tracks: Tracks) -> np.ndarray:
    """A rainbow over the places where the points begin: neighbours look alike."""
    N, T = tracks.visible.shape
    first = tracks.xy[np.arange(N), starts(tracks).clip(0, T - 1)]
    span = np.maximum(np.ptp(first, axis=0), 1e-6)
    across, down = ((first - first.min(0)) / span).T
    along, aside = (across, down) if span[0] >= span[1] else (down, across)
    return ramp(RAINBOW, 0.93 * along + 0.07 * aside, lighter=0.03 - 0.10 * aside)[:, None]


def by_point(tracks: Tracks) -> np.ndarray:
    """A colour of its own for every point, by its id: neighbours differ as much as they can."""
    return ramp(RAINBOW, tracks.ids * GOLDEN % 1, lighter=0.04 - 0.05 * (tracks.ids % 3))[:, None]


def by_speed(tracks: Tracks) -> np.ndarray:
    """From blue (slow) over green to red (as fast as the fastest twentieth of all steps)."""
    step = np.linalg.norm(np.diff(tracks.xy, axis=1), axis=2)
    speed = np.concatenate([step[:, :1], step], 1) if step.size else np.zeros(tracks.visible.shape)
    seen = speed[tracks.visible]
    fast = max(np.percentile(seen, 95), 1e-6) if seen.size else 1.0
    return ramp(SLOW_TO_FAST, (speed / fast).clip(0, 1))


def by_confidence(tracks: Tracks) -> np.ndarray:
    """From red (0) over amber to turquoise (1)."""
    return ramp(UNSURE_TO_SURE, tracks.confidence)


SCHEMES: dict[str, Callable[[Tracks], np.ndarray]] = {
    "position": by_position,
    "point": by_point,
    "speed": by_speed,
    "confidence": by_confidence,
}


def parse_scheme(name: str) -> Callable[[Tracks], np.ndarray]:
    """Find the function for a colour scheme.

    Args:
        name: A key of `SCHEMES`, or a colour ``"#rrggbb"`` for all points.

    Returns:
        A function from `Tracks` to uint8 ``[N, T or 1, 3]``.

    Raises:
        InputError: Neither a scheme nor a colour.
    """
    if name in SCHEMES:
        return SCHEMES[name]
    if re.fullmatch(r"#[0-9a-fA-F]{6}", name):
        color = np.frombuffer(bytes.fromhex(name[1:]), np.uint8)
        return lambda tracks: np.tile(color, (tracks.num_points, 1, 1))
    if name.startswith("#"):
        raise InputError(f"colour: expected #rrggbb (six hexadecimal digits), got {name!r}")
    raise suggest(name, SCHEMES, "colour scheme")


def colorize(tracks: Tracks, scheme: str) -> np.ndarray:
    """The colour of every point in every frame: uint8 ``[N, T, 3]`` (read-only)."""
    N, T = tracks.visible.shape
    if not tracks.visible.size:
        return np.zeros((N, T, 3), np.uint8)
    return np.broadcast_to(parse_scheme(scheme)(tracks), (N, T, 3))
