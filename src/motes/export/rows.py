"""Tracks as a table with one row a point and frame, which ``.csv`` and ``.parquet`` share.

What a row cannot hold (the size of the video, its frame rate, where the points were queried) is a
dict of *facts* that goes beside the table.
"""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from motes.errors import InputError
from motes.tracks import DEFAULT_FPS, Tracks

COLUMNS = ("id", "t", "x", "y", "visible", "confidence")

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
    return dict(zip(COLUMNS, fields, strict=True))


def to_facts(tracks: Tracks) -> str:
    """The facts as JSON; where there is no row to tell them, also the points and frames."""
    rowless = {"ids": tracks.ids.tolist(), "frames": tracks.num_frames}
    facts = (rowless if not tracks.visible.size else {}) | {
        "size": tracks.size,
        "fps": [tracks.fps.numerator, tracks.fps.denominator],
        "start": tracks.start,
        "queries": [[float(str(v)) for v in query] for query in tracks.queries],
    }
    facts |= {"names": tracks.names} if tracks.names is not None else {}
    facts |= {"skeleton": tracks.skeleton} if tracks.skeleton else {}
    return json.dumps(facts, separators=(",", ":"))


def parse_facts(text: str) -> dict[str, Any]:
    """The inverse of `to_facts`.

    Raises:
        InputError: It is something else.
    """
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        raise InputError(f"expected facts about the video, got {text[:80]!r}") from None


def to_tracks(columns: Columns, facts: dict[str, Any]) -> Tracks:
    """The inverse of `to_columns` and `to_facts`; rows may come in any order.

    Without facts the size of the video is taken to be just large enough for the points, the frame
    rate to be the default, and the query to be the first visible frame.  Points stay in the order
    of their first rows.

    Raises:
        InputError: A point lacks a frame, or a value does not fit.
    """
    facts = _guess(columns) | facts
    ids, n = _points(columns["id"], facts)
    start, t = int(facts["start"]), columns["t"] - int(facts["start"])
    T = int(t.max()) + 1 if len(t) else int(facts["frames"])
    _check_complete(ids, n, t, start, T)

    def table(name: str) -> np.ndarray:
        values = np.zeros((len(ids), T), columns[name].dtype)
        values[n, t] = columns[name]
        return values

    queries = {"queries": np.array(facts["queries"]).reshape(-1, 3)} if "queries" in facts else {}
    return Tracks(
        np.stack([table("x"), table("y")], -1),
        table("visible"),
        table("confidence"),
        ids=ids,
        size=facts["size"],
        fps=Fraction(*facts["fps"]),
        start=start,
        names=facts.get("names"),
        skeleton=facts.get("skeleton", ()),
        **queries,
    )


def _guess(columns: Columns) -> dict[str, Any]:
    """Facts about the video as far as the rows tell them."""
    fps = [DEFAULT_FPS.numerator, DEFAULT_FPS.denominator]
    known = {"fps": fps, "start": 0, "size": (1, 1), "frames": 0, "ids": []}
    if not len(columns["t"]):
        return known
    W, H = (max(int(np.ceil(columns[c].max())) + 1, 1) for c in ("x", "y"))
    return known | {"start": columns["t"].min(), "size": (W, H)}


def _points(rows: np.ndarray, facts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The ids ``[N]`` in the order of their first rows, and which of them each row is about."""
    if not len(rows):
        return np.array(facts["ids"], np.int64), np.zeros(0, np.int64)
    ids, first, place = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return ids[order], np.argsort(order)[place]


def _check_complete(ids: np.ndarray, n: np.ndarray, t: np.ndarray, start: int, T: int) -> None:
    if len(t) and t.min() < 0:
        raise InputError(f"expected frames from {start} on, got {start + t.min()}")
    cells = np.unique(n * T + t)  # and no array [N, T]: a wrong frame number could make it huge
    if len(cells) < len(ids) * T:
        gap = np.append(cells != np.arange(len(cells)), True).argmax()
        lacking, frame = ids[gap // T], start + gap % T
        raise InputError(f"expected a row for point {lacking} in frame {frame}, got none")
