"""``.parquet``: the rows of ``.csv`` with their types, small and fast, for data frames and queries.

The columns are ``id, t, x, y, visible, confidence``, and ``time`` where the frame rate varies; what
a row cannot hold (see `motes.export.rows`) is JSON in the metadata of the schema, under the key
``motes``.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from motes.common.headroom import check_memory
from motes.errors import InputError
from motes.export.base import Footage, Format, Settings
from motes.export.rows import COLUMNS, TIME, parse_facts, to_columns, to_facts, to_tracks
from motes.tracks import Tracks

if TYPE_CHECKING:
    import pyarrow as pa

KEY = b"motes"
ROW_BYTES = 64
"""Memory that a row takes while it is read."""

TYPES = ("int64", "int64", "float32", "float32", "bool", "float32")


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write the rows of one point after the other, each in order of time."""
    write_parts([tracks], path)


def write_parts(parts: Iterable[Tracks], path: Path) -> None:
    """Write stretch after stretch, each as `write` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = iter(parts)
    first = next(parts)
    schema = _schema(first.times is not None).with_metadata({KEY: to_facts(first)})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in chain([first], parts):
            writer.write_table(pa.table(to_columns(part), schema))


def read(path: Path, footage: Footage) -> Tracks:
    """Read what `write` wrote, or any file with these columns; see `to_tracks`.

    Raises:
        InputError: Other columns, an empty cell, or a point that lacks a frame.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_memory(file.metadata.num_rows * ROW_BYTES, "reading these rows")
            table = file.read()
        facts = (table.schema.metadata or {}).get(KEY, b"{}")
        columns = [*COLUMNS, *({TIME} & {*table.column_names})]
        table = table.select(columns).cast(_schema(TIME in columns))
    except KeyError:
        got = ",".join(table.column_names)
        raise InputError(f"expected the columns {','.join(COLUMNS)}, got {got}") from None
    except pa.ArrowInvalid as error:
        raise InputError(f"expected a Parquet file of tracks; {error}") from None
    if empty := [name for name in columns if table[name].null_count]:
        raise InputError(f"{empty[0]}: expected a value in every row, got empty ones")
    values = {name: table[name].to_numpy() for name in columns}
    return to_tracks(values, parse_facts(facts), footage)


def _schema(has_times: bool) -> pa.Schema:
    import pyarrow as pa

    fields = list(zip(COLUMNS, map(pa.type_for_alias, TYPES), strict=True))
    return pa.schema([*fields, (TIME, pa.float64())] if has_times else fields)


PARQUET = Format(
    ".parquet",
    "the rows of .csv with their types: " + ",".join(COLUMNS),
    write,
    read,
    write_parts,
    needs=("pyarrow",),
    extra="parquet",
    lossless=True,
)
