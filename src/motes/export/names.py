"""Names of points in the files of other programs."""

import re
from collections.abc import Callable, Sequence

from motes.tracks import Tracks

LONGEST = 56
"""Characters of a safe name; Blender allows 63, and a number may follow."""


def safe(name: str) -> str:
    """Letters, digits, ``_`` and ``-``; everything else becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST]


def as_given(name: str) -> str:
    """The name itself, for formats that can hold any text."""
    return name


def camel(name: str) -> str:
    """``LeftPaw``, for programs that turn ``_`` into a space."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def labels(tracks: Tracks, clean: Callable[[str], str] = safe) -> list[str]:
    """A different name for each point: its own, or ``point_<id>``.

    Args:
        tracks: N points.
        clean: Makes a name fit for the format.

    Returns:
        N names; where two clash, the second gets ``_2``.
    """
    own = tracks.names or ("",) * len(tracks)
    names = [
        clean(name or f"point_{id}") for name, id in zip(own, tracks.ids.tolist(), strict=True)
    ]
    return _unique(names)


def _unique(names: Sequence[str]) -> list[str]:
    taken: set[str] = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        if name in seen:
            number = 2
            while (other := f"{name}_{number}") in taken:
                number += 1
            name = other
            taken.add(name)
        seen.add(name)
        result.append(name)
    return result


def parse_labels(names: Sequence[str]) -> tuple[list[int] | None, tuple[str, ...] | None]:
    """The inverse of `labels`.

    Returns:
        The ids and no names, if all names are ``point_<id>`` or ``Point<id>``; otherwise no ids and
        the names.
    """
    matches = [re.fullmatch(r"point_(-?\d+)|Point(\d+)", name) for name in names]
    ids = [int(match[1] or match[2]) for match in matches if match]
    if len(set(ids)) == len(names):
        return ids, None
    return None, tuple(names)
