"""Colours for points: bright on any footage, and perceptually uniform.

All palettes are defined in OKLCH (B. Ottosson, "A perceptual color space for image processing",
2020).  They are light enough to contrast with the dark shadow of the strokes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from motes.common.registry import suggest
from motes.errors import InputError
from motes.tracks import Tracks

# Stops of palettes: (lightness, chroma, hue), near the largest chroma that sRGB has for the hue.
POSITION_STOPS = (
    (0.67, 0.24, 22), (0.77, 0.18, 60), (0.88, 0.18, 98), (0.87, 0.22, 122), (0.82, 0.22, 145),
    (0.85, 0.15, 190), (0.72, 0.16, 240), (0.64, 0.21, 280), (0.68, 0.27, 322), (0.72, 0.22, 352),
)  # fmt: skip
SPEED_STOPS = ((0.64, 0.20, 275), (0.78, 0.14, 215), (0.86, 0.21, 140), (0.90, 0.18, 98),
                (0.70, 0.22, 35))  # fmt: skip
CONFIDENCE_STOPS = ((0.66, 0.25, 18), (0.79, 0.17, 65), (0.91, 0.18, 105), (0.85, 0.15, 180))
GAMUT_TOLERANCE = 3e-4  # of linear RGB, less than one 8-bit step
GOLDEN_RATIO = 0.6180339887  # multiples of it, modulo 1, are evenly spread


def oklch(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """Convert OKLCH to RGB; outside sRGB, chroma is reduced; lightness and hue are kept.

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
    full = _linear_rgb(L, C, h)
    return _srgb(np.where(_in_gamut(full)[..., None], full, _linear_rgb(L, low, h)))


def _in_gamut(linear: np.ndarray) -> np.ndarray:
    return np.all((linear > -GAMUT_TOLERANCE) & (linear < 1 + GAMUT_TOLERANCE), axis=-1)


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


def _srgb(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(curved * 255).astype(np.uint8)


def ramp(
    stops: tuple[tuple[float, float, float], ...],
    values: np.ndarray,
    lighter: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Interpolate between the stops of a palette.

    Args:
        stops: ``(lightness, chroma, hue)``, equally spaced over [0, 1].
        values: ``[...]`` in [0, 1].
        lighter: ``[...]``, added to the lightness.

    Returns:
        uint8 ``[..., 3]``, sRGB.
    """
    at = np.linspace(0, 1, len(stops))
    L, C, h = (np.interp(values, at, part) for part in zip(*stops, strict=True))
    return oklch((L + lighter).clip(0, 1), C, h)


def first_columns(tracks: Tracks) -> np.ndarray:
    """First column of each point: its query, or its first visible frame if that is earlier.

    Returns:
        int ``[N]``; T for a point whose query comes after the last frame.
    """
    T = tracks.num_frames
    queried = np.clip(np.rint(tracks.queries[:, 0]).astype(int) - tracks.start, 0, T)
    visible = np.where(tracks.visible.any(1), tracks.visible.argmax(1), T) if T else queried
    return np.minimum(queried, visible)


def by_position(tracks: Tracks) -> np.ndarray:
    """A rainbow over the first positions of the points: neighbours have similar colours."""
    N, T = tracks.visible.shape
    first = tracks.xy[np.arange(N), first_columns(tracks).clip(0, T - 1)]
    extent = np.maximum(np.ptp(first, axis=0), 1e-6)
    across, down = ((first - first.min(0)) / extent).T
    major, minor = (across, down) if extent[0] >= extent[1] else (down, across)
    return ramp(POSITION_STOPS, 0.93 * major + 0.07 * minor, lighter=0.03 - 0.10 * minor)[:, None]


def by_point(tracks: Tracks) -> np.ndarray:
    """A distinct colour for every point, computed from its id."""
    return ramp(
        POSITION_STOPS, tracks.ids * GOLDEN_RATIO % 1, lighter=0.04 - 0.05 * (tracks.ids % 3)
    )[:, None]


def by_speed(tracks: Tracks) -> np.ndarray:
    """From blue (still) over green to red (the 95th percentile of all speeds)."""
    step = np.linalg.norm(np.diff(tracks.xy, axis=1), axis=2)
    speed = np.concatenate([step[:, :1], step], 1) if step.size else np.zeros(tracks.visible.shape)
    observed = speed[tracks.visible]
    fastest = max(np.percentile(observed, 95), 1e-6) if observed.size else 1.0
    return ramp(SPEED_STOPS, (speed / fastest).clip(0, 1))


def by_confidence(tracks: Tracks) -> np.ndarray:
    """From red (0) over amber to turquoise (1)."""
    return ramp(CONFIDENCE_STOPS, tracks.confidence)


SCHEMES: dict[str, Callable[[Tracks], np.ndarray]] = {
    "position": by_position,
    "point": by_point,
    "speed": by_speed,
    "confidence": by_confidence,
}


def parse_scheme(name: str) -> Callable[[Tracks], np.ndarray]:
    """The function of a colour scheme.

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
