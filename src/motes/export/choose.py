"""Which points go into a file: by their ids, by their names, or inside a mask."""

from collections.abc import Iterable

import numpy as np

from motes.errors import InputError
from motes.export.names import labels
from motes.tracks import Tracks


def choose(
    tracks: Tracks,
    *,
    ids: Iterable[int] | None = None,
    names: Iterable[str] | None = None,
    mask: np.ndarray | None = None,
    at: int | None = None,
) -> Tracks:
    """Keep some points; every choice that is given must hold.

    Args:
        tracks: Where they are chosen from.
        ids: Of the points to keep, in this order.
        names: Of the points to keep; points without a name are called ``point_<id>``.
        mask: Array ``[H, W]`` of the size of the video: points are kept where it is not zero.
        at: Frame in which the mask holds; by default each point counts where it was queried.

    Returns:
        The points that are left, at least one.

    Raises:
        InputError: An id or a name is unknown, the mask has another size, the frame is not among
            those of the tracks, or no point is left.

    Example:
        >>> choose(tracks, names=["nose", "tail"]).save("bike.dlc.csv")
    """
    if ids is not None:
        tracks = tracks[_rows(tracks.ids.tolist(), list(ids), "ids")]
    if names is not None:
        known = [own or label for own, label in zip(_names(tracks), labels(tracks), strict=True)]
        tracks = tracks[_rows(known, list(names), "names")]
    if mask is not None:
        tracks = tracks[_inside(tracks, mask, at)]
    if not len(tracks):
        raise InputError("expected at least one point to be chosen, got none")
    return tracks


def _names(tracks: Tracks) -> tuple[str, ...]:
    return tracks.names or ("",) * len(tracks)


def _rows(known: list, wanted: list, what: str) -> np.ndarray:
    missing = [value for value in wanted if value not in known]
    if missing:
        some = ", ".join(map(str, known[:20])) + (", ..." if len(known) > 20 else "")
        raise InputError(f"{what}: expected some of {some}; got {missing[0]}")
    return np.array([known.index(value) for value in dict.fromkeys(wanted)], np.int64)


def _inside(tracks: Tracks, mask: np.ndarray, at: int | None) -> np.ndarray:
    W, H = tracks.size
    if mask.shape != (H, W):
        got = "x".join(map(str, mask.shape[::-1]))
        raise InputError(f"mask: expected the size of the video, {W}x{H}, got {got}")
    if at is not None and at not in tracks.frames:
        low, high = tracks.start, tracks.frames.stop - 1
        raise InputError(f"at: expected a frame from {low} to {high}, got {at}")
    xy = tracks.queries[:, 1:] if at is None else tracks.xy[:, at - tracks.start]
    column, row = np.rint(xy).astype(np.int64).T
    in_picture = (column >= 0) & (column < W) & (row >= 0) & (row < H)
    return in_picture & (mask[row.clip(0, H - 1), column.clip(0, W - 1)] != 0)
