"""Check numbers from users and files; none is rounded or truncated silently."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

from motes.errors import InputError

LARGEST_WHOLE = 2**53
"""Up to this number every whole number is exact as a float."""

LARGEST_RATE = 10**6
LARGEST_TERM = 2**63 - 1
"""Largest numerator and denominator of a rate: files store both as int64."""


def numbers(name: str, value: Any, expected: str = "real numbers") -> np.ndarray:
    """An array of truth values, whole or real numbers; its dtype is kept.

    Args:
        name: Its name in messages.
        value: Anything that NumPy converts to an array.
        expected: Name of the elements in messages.

    Raises:
        InputError: It is ragged, complex, text or another type.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise InputError(f"{name}: expected {expected}; {error}") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected {expected}, got {array.dtype} {_brief(value)}")
    return array


def real_array(name: str, value: Any) -> np.ndarray:
    """A new float32 array of real numbers.

    Args:
        name: Its name in messages.
        value: Anything that NumPy converts to an array of numbers.

    Raises:
        InputError: It is ragged, complex, text or another type.

    Example:
        >>> real_array("x", [1, 2.5])
        array([1. , 2.5], dtype=float32)
    """
    with np.errstate(over="ignore", invalid="ignore"):  # too large ones become infinite
        return np.array(numbers(name, value), np.float32)


def flag_array(name: str, value: Any) -> np.ndarray:
    """A new bool array, from truth values or from numbers that are 0 or 1.

    Raises:
        InputError: It holds something else.
    """
    array = numbers(name, value, "truth values")
    if array.dtype.kind == "b":
        return np.array(array.view(np.uint8) != 0)  # files may hold other bytes than 0 and 1
    if not ((array == 0) | (array == 1)).all():
        raise InputError(f"{name}: expected truth values, 0 or 1, got other numbers")
    return np.array(array, bool)


def whole_array(name: str, value: Any) -> np.ndarray:
    """A new int64 array of whole numbers.

    Raises:
        InputError: It holds something else, such as NaN, 0.7 or a number that int64 cannot hold.
    """
    array = numbers(name, value, "whole numbers")
    if array.dtype.kind == "f":
        if not (np.abs(array) <= LARGEST_WHOLE).all() or (array != np.floor(array)).any():
            raise InputError(f"{name}: expected whole numbers, got {_first_odd(array)}")
    elif array.size and (array.dtype.kind == "b" or array.max() > np.iinfo(np.int64).max):
        raise InputError(f"{name}: expected whole numbers, got {array.dtype} {_brief(value)}")
    return np.array(array, np.int64)


def whole(name: str, value: Any) -> int:
    """One whole number of at most 2^53.

    Raises:
        InputError: It is something else.
    """
    array = whole_array(name, value)
    if array.size != 1 or abs(number := int(array.item())) > LARGEST_WHOLE:
        raise InputError(f"{name}: expected a whole number, got {_brief(value)}")
    return number


def rate(name: str, value: Any) -> Fraction:
    """A positive rate as an exact fraction.

    Args:
        name: Its name in messages.
        value: A number, text such as ``"30000/1001"``, or a pair ``(numerator, denominator)``.

    Raises:
        InputError: It is something else, not positive, or too large.
    """
    try:
        fraction = _fraction(name, value)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        raise InputError(f"{name}: expected a positive number, got {_brief(value)}") from None
    if not 0 < fraction <= LARGEST_RATE or max(fraction.as_integer_ratio()) > LARGEST_TERM:
        raise InputError(f"{name}: expected a positive number, got {_brief(value)}")
    return fraction


MAX_DECIMALS = 9
"""Digits after the point that are tried for whole arrays; other numbers are converted singly."""


def shortest_decimals(array: np.ndarray) -> list[Any]:
    """Nested lists of the shortest decimals that equal the float32 numbers."""
    nested: Any = shortest(array).tolist()
    return nested


def shortest(values: np.ndarray) -> np.ndarray:
    """The float64 numbers with the fewest decimals that round to these float32 numbers.

    The float32 nearest to 10.1 becomes 10.1, not 10.100000381.

    Args:
        values: float32 of any shape.
    """
    given = np.asarray(values, np.float32)
    exact = given.astype(np.float64)
    result = exact.copy()
    left = np.ones(given.shape, bool)
    for decimals in range(MAX_DECIMALS + 1):
        rounded = np.round(exact, decimals)
        fits = left & (rounded.astype(np.float32) == given)
        result[fits] = rounded[fits]
        left &= ~fits
        if not left.any():
            return result
    result[left] = [float(str(value)) for value in given[left]]
    return result


def _fraction(name: str, value: Any) -> Fraction:
    if isinstance(value, str | Rational):
        return Fraction(value)
    if np.size(value) == 2:
        numerator, denominator = whole_array(name, value).ravel().tolist()
        return Fraction(numerator, denominator)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(number)
    return Fraction(number)


def _first_odd(array: np.ndarray) -> float:
    odd = ~(np.abs(array) <= LARGEST_WHOLE) | (array != np.floor(array))
    return float(array[odd][0])


def _brief(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:60] + "..."
