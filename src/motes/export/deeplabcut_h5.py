"""``.dlc.h5``: the table of ``.dlc.csv`` as HDF5, as DeepLabCut stores it.

Nothing is unpickled when a file is read, apart from lists of names.
"""

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from motes.common.values import shortest
from motes.coordinates import CENTRE_DOWN
from motes.errors import InputError
from motes.export.base import DROP, KEEP, Footage, Format, Settings
from motes.export.deeplabcut import SCORER, from_table
from motes.export.names import as_given, labels
from motes.tracks import Tracks

KEY = "df_with_missing"
"""The name of the table in every file of DeepLabCut."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the table in the format "fixed", which every version of pandas reads."""
    import pandas as pd

    names = ["scorer", "bodyparts", "coords"]
    parts = [(SCORER, n, c) for n in labels(tracks, as_given) for c in ("x", "y", "likelihood")]
    columns = pd.MultiIndex.from_tuples(parts, names=names) if parts else _no_columns(names)
    frame = pd.DataFrame(_table(tracks, settings), columns=columns)
    frame.to_hdf(path, key=KEY, mode="w", format="fixed")


def _no_columns(names: list[str]) -> Any:
    import pandas as pd

    return pd.MultiIndex.from_arrays([[], [], []], names=names)


def _table(tracks: Tracks, settings: Settings) -> np.ndarray:
    """Float64 ``[R, 3 N]``, one row a frame from 0 on."""
    N, T = tracks.visible.shape
    first = tracks.start + settings.first
    table = np.full((first + T, N, 3), np.nan)
    table[..., 2] = 0
    xy = CENTRE_DOWN.from_pixels(shortest(tracks.xy), tracks.size)
    shown = np.where(settings.written(tracks)[..., None], xy, np.nan)
    table[first:, :, :2] = shown.transpose(1, 0, 2)
    table[first:, :, 2] = shortest(tracks.confidence).T
    return table.reshape(first + T, 3 * N)


def read(path: Path, footage: Footage) -> Tracks:
    """Read a table in the format "fixed", or in the format "table" that DeepLabCut writes.

    Raises:
        InputError: It is something else, or holds several animals.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            group = file[KEY]
            columns, frames, values = _of_table(group) if "table" in group else _of_fixed(group)
    except (OSError, KeyError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise InputError(f"expected a table of DeepLabCut; {error}") from None
    if any(len(column) != 3 for column in columns):
        raise InputError("expected the points of one animal, got a file with individuals")
    names = [(str(column[1]), str(column[2])) for column in columns]
    return from_table(names, frames, values, footage)


def _of_fixed(group: Any) -> tuple[list[Sequence[Any]], np.ndarray, np.ndarray]:
    """Columns, frames and values of a table in the format "fixed"."""
    frames = np.asarray(group["axis1"][()], np.int64)
    if group.attrs["nblocks"] == 0:
        return [], frames, np.zeros((len(frames), 0))
    levels = [
        [_text(v) for v in group[f"block0_items_level{i}"][()]]
        for i in range(int(group.attrs["block0_items_nlevels"]))
    ]
    codes = [group[f"block0_items_label{i}"][()] for i in range(len(levels))]
    columns = [
        tuple(level[code] for level, code in zip(levels, row, strict=True))
        for row in zip(*codes, strict=True)
    ]
    values = np.asarray(group["block0_values"][()], np.float64)
    return list(columns), frames, values.reshape(len(frames), len(columns))


def _of_table(group: Any) -> tuple[list[Sequence[Any]], np.ndarray, np.ndarray]:
    """Columns, frames and values of a table in the format "table"."""
    rows = group["table"][()]
    [(_, columns)] = _Plain(io.BytesIO(bytes(group.attrs["non_index_axes"]))).load()
    return columns, rows["index"].astype(np.int64), rows["values_block_0"].astype(np.float64)


class _Plain(pickle.Unpickler):
    """Opens lists, tuples, numbers and text, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"the names of its columns hold {module}.{name}")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


DEEPLABCUT_H5 = Format(
    ".dlc.h5",
    "DeepLabCut, as HDF5",
    write,
    read,
    needs=("h5py", "pandas", "tables"),
    extra="h5",
    first=0,
    hidden=(KEEP, DROP),
)
