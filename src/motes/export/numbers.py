"""Numbers as text: the shortest decimals, never with an exponent, never ``-0``."""

from collections.abc import Iterable
from fractions import Fraction

NTSC = (24, 30, 48, 60, 120)
"""Rates that are broadcast at 1000/1001 of their number."""

NTSC_TOLERANCE = 0.005
"""Frames per second: 23.976 and 23.98 both stand for 24000/1001."""


def trimmed(value: float, places: int = 6) -> str:
    """A number without trailing zeros: ``10.5``, ``3``, ``0``."""
    return f"{value:z.{places}f}".rstrip("0").rstrip(".")


def all_trimmed(values: Iterable[float], places: int = 6) -> list[str]:
    """Each number without trailing zeros."""
    pattern = f"z.{places}f"
    return [format(value, pattern).rstrip("0").rstrip(".") for value in values]


def real(value: float, places: int = 6) -> str:
    """As `trimmed`, with at least one decimal: ``10.5``, ``3.0``."""
    text = trimmed(value, places)
    return text if "." in text else f"{text}.0"


def frame_rate(text: str) -> Fraction:
    """The exact rate that a program wrote with a few decimals: 29.97 is 30000/1001.

    Raises:
        ValueError: It is not a number.
    """
    given = Fraction(text)
    exact = (Fraction(number * 1000, 1001) for number in NTSC)
    return next((rate for rate in exact if abs(rate - given) < NTSC_TOLERANCE), given)
