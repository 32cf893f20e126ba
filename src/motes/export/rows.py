"""Tracks as a table with one row a point and frame, which ``.csv`` and ``.parquet`` share.

What a row cannot hold (the size of the video, its frame rate, where the points were queried) is a
dict of *facts* that goes beside the table.
"""

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from motes.common.values import real_array, shortest_decimals, whole, whole_array
from motes.errors import InputError
from motes.export.base import Footage
from motes.tracks import DEFAULT_FPS, Tracks

COLUMNS = ("id", "t", "x", "y", "visible", "confidence")

TIME = "time"
"""One more column, in seconds, where the frame rate of the video varies."""

Columns = Mapping[str, np.ndarray]
"""Each of `COLUMNS` as an array ``[R]``: ``id`` and ``t`` whole numbers, ``visible`` bool."""


def to_columns(tracks: Tracks) -> dict[str, np.ndarray]:
    """The rows of one point after the other, each in order of time."""
    N, T = tracks.visible.shape
    fields = (
        np.repeat(tracks.ids, T),
        np.tile(np.array(tracks.frames, np.int64), N),
        tracks.xy[..., 0].ravel(),
        tracks.xy[..., 1].ravel(),
        tracks.visible.ravel(),
        tracks.confidence.ravel(),
    )
    columns = dict(zip(COLUMNS, fields, strict=True))
    return columns if tracks.times is None else columns | {TIME: np.tile(tracks.times, N)}


def to_facts(tracks: Tracks, per_point: bool = True) -> str:
    """The facts as JSON; where there is no row to tell them, also the points and frames.

    Args:
        tracks: What to describe.
        per_point: Whether the facts about single points, whose text grows with N, are included.
    """
    facts: dict[str, Any] = {
        "size": tracks.size,
        "fps": [tracks.fps.numerator, tracks.fps.denominator],
        "start": tracks.start,
    }
    if tracks.skeleton:
        facts["skeleton"] = tracks.skeleton
    if not tracks.visible.size:
        facts["frames"] = tracks.num_frames
        if tracks.times is not None:
            facts["times"] = tracks.times.tolist()
    if per_point:
        facts["queries"] = shortest_decimals(tracks.queries)
    if per_point and tracks.names is not None:
        facts["names"] = tracks.names
    if per_point and not tracks.visible.size:
        facts["ids"] = tracks.ids.tolist()
    return json.dumps(facts, separators=(",", ":"))


def parse_facts(text: str | bytes) -> dict[str, Any]:
    """The inverse of `to_facts`.

    Raises:
        InputError: It is something else.
    """
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise InputError(f"expected facts about the video, got {text[:80]!r}")
    return facts


def to_tracks(columns: Columns, facts: dict[str, Any], footage: Footage) -> Tracks:
    """The inverse of `to_columns` and `to_facts`; rows may come in any order.

    Without facts the size and the frame rate are those of `footage`.  If these are unknown too, the
    size is just large enough for the points, and the frame rate is the default.  The query is then
    the first visible frame.  Points stay in the order of their first rows.

    Raises:
        InputError: A point lacks a frame or has one twice, or a value does not fit.
    """
    _check_finite(columns)
    facts = _guess(columns) | _given(footage) | facts
    ids, n = _points(columns["id"], facts)
    start = whole("start", facts["start"])
    t = columns["t"] - start
    T = int(t.max()) + 1 if len(t) else whole("frames", facts["frames"])
    _check_complete(ids, n, t, start, T)

    def table(name: str) -> np.ndarray:
        values = np.zeros((len(ids), T), columns[name].dtype)
        values[n, t] = columns[name]
        return values

    queries = {"queries": _queries(facts["queries"], len(ids))} if "queries" in facts else {}
    return Tracks(
        np.stack([table("x"), table("y")], -1),
        table("visible"),
        table("confidence"),
        ids=ids,
        size=facts["size"],
        fps=facts["fps"],
        start=start,
        names=facts.get("names"),
        skeleton=facts.get("skeleton", ()),
        times=_times(columns, t, T) if TIME in columns and len(t) else facts.get("times"),
        **queries,
    )


def _times(columns: Columns, t: np.ndarray, T: int) -> np.ndarray:
    """Seconds of each frame ``[T]``, from those of the rows."""
    times = np.full(T, np.nan)
    times[t] = columns[TIME]
    return times


def _check_finite(columns: Columns) -> None:
    for name in ("x", "y", "confidence"):
        if not np.isfinite(columns[name]).all():
            raise InputError(f"{name}: expected finite numbers, got NaN or infinity")
    for name in ("id", "t"):
        whole_array(name, columns[name])
    if len(columns["t"]):
        whole("t", columns["t"].min())
        whole("t", columns["t"].max())


def _queries(values: Any, count: int) -> np.ndarray:
    queries = real_array("queries", values)
    return queries.reshape(0, 3) if not count and not queries.size else queries


def _guess(columns: Columns) -> dict[str, Any]:
    """Facts about the video as far as the rows tell them."""
    fps = [DEFAULT_FPS.numerator, DEFAULT_FPS.denominator]
    known = {"fps": fps, "start": 0, "size": (1, 1), "frames": 0, "ids": []}
    if not len(columns["t"]):
        return known
    W, H = (max(math.ceil(columns[c].max()) + 1, 1) for c in ("x", "y"))
    return known | {"start": columns["t"].min(), "size": (W, H)}


def _given(footage: Footage) -> dict[str, Any]:
    facts: dict[str, Any] = {} if footage.size is None else {"size": footage.size}
    return (
        facts if footage.fps is None else facts | {"fps": Fraction(footage.fps).as_integer_ratio()}
    )


def _points(rows: np.ndarray, facts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The ids ``[N]`` in the order of their first rows, and which of them each row is about."""
    if not len(rows):
        return whole_array("ids", facts["ids"]), np.zeros(0, np.int64)
    ids, first, place = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return ids[order], np.argsort(order)[place]


def _check_complete(ids: np.ndarray, n: np.ndarray, t: np.ndarray, start: int, T: int) -> None:
    """Make sure that every point has one row in every frame.

    Some row is missing among the first R + 1 frames, if any is, where R is the number of rows; so
    later ones need not be looked at, and a wrong frame number makes no huge array.
    """
    if T < 0 or (len(t) and t.min() < 0):
        raise InputError(f"expected frames from {start} on, got {start + t.min() if len(t) else T}")
    looked_at = min(T, len(t) + 1)
    cells, counts = np.unique((n * looked_at + t)[t < looked_at], return_counts=True)
    if len(cells) < len(ids) * looked_at:
        gap = np.append(cells != np.arange(len(cells)), True).argmax()
        point, frame = ids[gap // looked_at], start + gap % looked_at
        raise InputError(f"expected a row for point {point} in frame {frame}, got none")
    if (counts > 1).any():
        twice = cells[counts.argmax()]
        point, frame = ids[twice // looked_at], start + twice % looked_at
        raise InputError(f"expected one row for point {point} in frame {frame}, got several")
