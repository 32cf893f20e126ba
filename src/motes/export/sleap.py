"""``.analysis.h5``: the analysis file of SLEAP.

Points with names or a skeleton are the nodes of one track; otherwise each point is a track with one
node.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from motes.common.values import shortest
from motes.coordinates import CENTRE_DOWN
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.keys import Keys, to_tracks
from motes.export.names import as_given, labels
from motes.tracks import Tracks

TRACK, NODE = "motes", "point"
"""The one track of points with names; the one node of points without."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write positions, NaN where a point is not written, and scores, from frame 0 on."""
    import h5py

    N = len(tracks)
    together = tracks.names is not None or bool(tracks.skeleton)
    names = labels(tracks, as_given)
    track_names, node_names = ([TRACK], names) if together else (names, [NODE])
    xy, scores = _arrays(tracks, settings)  # [N, F, 2], [N, F]
    shape = (1, N) if together else (N, 1)
    grid = scores.reshape(*shape, scores.shape[1])
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "analysis", "preset": "matlab"})
        content = {
            "tracks": (
                xy.reshape(*shape, *xy.shape[1:]).transpose(0, 3, 1, 2),
                "track xy node frame",
            ),
            "track_occupancy": (np.isfinite(grid).any(1).T.astype(np.uint8), "frame track"),
            "point_scores": (grid, "track node frame"),
            "instance_scores": (_mean(grid), "track frame"),
            "tracking_scores": (np.zeros((shape[0], grid.shape[-1])), "track frame"),
        }
        for name, (values, dims) in content.items():
            packed = {"compression": "gzip"} if values.size else {}
            file.create_dataset(name, data=values, **packed)
            file[name].attrs["dims"] = json.dumps(dims.split())
        edges = np.array(tracks.skeleton, np.int64).reshape(-1, 2)
        file["edge_inds"] = edges
        file["edge_names"] = _bytes([names[end] for end in edges.ravel()]).reshape(-1, 2)
        file["track_names"], file["node_names"] = _bytes(track_names), _bytes(node_names)
        file["video_ind"] = 0
        file["video_path"], file["labels_path"], file["provenance"] = b"", b"", b"{}"


def _arrays(tracks: Tracks, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``[N, F, 2]`` and confidence ``[N, F]`` of the frames 0 .. F-1."""
    first = tracks.start + settings.first
    F = first + tracks.num_frames
    xy, scores = np.full((len(tracks), F, 2), np.nan), np.full((len(tracks), F), np.nan)
    written = settings.written(tracks)
    there = CENTRE_DOWN.from_pixels(shortest(tracks.xy), tracks.size)
    xy[:, first:] = np.where(written[..., None], there, np.nan)
    scores[:, first:] = np.where(written, shortest(tracks.confidence), np.nan)
    return xy, scores


def _mean(grid: np.ndarray) -> np.ndarray:
    """Over the nodes ``[track, node, frame]`` that are known; NaN where none is."""
    known = np.isfinite(grid).sum(1)
    total = np.nan_to_num(grid).sum(1)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def _bytes(names: list[str]) -> np.ndarray:
    return np.array([name.encode() for name in names]) if names else np.zeros(0, "S1")


def read(path: Path, footage: Footage) -> Tracks:
    """Read every node of every track; the edges become the skeleton where there is one track.

    Raises:
        InputError: It is no analysis file of SLEAP.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            values = file["tracks"][()]
            scores = file["point_scores"][()] if "point_scores" in file else np.ones(0)
            tracks, nodes = ([_text(v) for v in file[f"{n}_names"][()]] for n in ("track", "node"))
            edges = file["edge_inds"][()] if "edge_inds" in file else np.zeros((0, 2))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"expected an analysis file of SLEAP; {error}") from None
    if values.ndim != 4 or values.shape[1:3] != (2, len(nodes)):
        raise InputError(
            f"expected tracks of shape [track, 2, {len(nodes)}, frame], got {list(values.shape)}"
        )
    tracks = tracks or [TRACK] * len(values)
    scores = scores.reshape(-1, *values.shape[2:]) if scores.size else np.ones_like(values[:, 0])
    result = to_tracks(list(_keys(values, scores, tracks, nodes)), footage, CENTRE_DOWN)
    whole = len(tracks) == 1 and len(result) == len(nodes)
    return replace(result, skeleton=tuple(map(tuple, edges.tolist()))) if whole else result


def _keys(
    values: np.ndarray, scores: np.ndarray, tracks: list[str], nodes: list[str]
) -> Iterator[Keys]:
    for t, track in enumerate(tracks):
        for n, node in enumerate(nodes):
            name = track if len(nodes) == 1 else node if len(tracks) == 1 else f"{track}_{node}"
            xy = values[t, :, n].T
            frames = np.flatnonzero(np.isfinite(xy).all(1))
            confidence = np.nan_to_num(scores[t, n, frames], nan=1.0).clip(0, 1)
            yield Keys(name, frames, xy[frames], None, confidence)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


SLEAP = Format(
    ".analysis.h5",
    "SLEAP and movement, an analysis file",
    write,
    read,
    needs=("h5py",),
    extra="h5",
    first=0,
    hidden=(DROP, KEEP),
)
