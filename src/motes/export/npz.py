"""``.npz``: exactly the fields of `Tracks`, as NumPy arrays."""

import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from motes.common.archives import read_archive
from motes.export.base import Footage, Format, Settings
from motes.tracks import FIELDS, OPTIONAL_FIELDS, Tracks

PLANES = {"xy": 2, "visible": 1, "confidence": 1}
"""Fields with a column a frame: how many numbers each has for a point in a frame."""


def write(tracks: Tracks, path: Path, settings: Settings) -> None:
    """Write every field as an array of that name; fps as numerator and denominator."""
    np.savez_compressed(path, **tracks.to_dict())


def write_parts(parts: Iterable[Tracks], path: Path) -> None:
    """Write the same arrays stretch after stretch, in Fortran's order, in which time comes late.

    Before its numbers an array says how many frames there are, which only the last stretch tells;
    so the numbers wait in temporary files beside `path`.
    """
    facts: dict[str, Any] = {}
    times: list[np.ndarray] = []
    T = 0
    with ExitStack() as stack:
        planes = {
            name: [stack.enter_context(TemporaryFile(dir=path.parent)) for _ in range(count)]
            for name, count in PLANES.items()
        }
        for part in parts:
            fields = part.to_dict()
            facts, T = facts or fields, T + part.num_frames
            times.append(fields.get("times", np.zeros(0)))
            _put_aside(fields, planes)
        if "times" in facts:
            facts["times"] = np.concatenate(times)
        archive = stack.enter_context(zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED))
        for name, value in facts.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                if name in planes:
                    _put_together(value, T, planes[name], file)
                else:
                    np.lib.format.write_array(file, np.asarray(value))


def _put_aside(fields: dict[str, Any], planes: Mapping[str, Sequence[IO[bytes]]]) -> None:
    """Append arrays ``[N, T, ...]``, each plane ``[N, T]`` of them to a file of its own."""
    for name, files in planes.items():
        N, T = fields[name].shape[:2]
        for file, plane in zip(files, fields[name].T.reshape(len(files), T, N), strict=True):
            file.write(plane.tobytes())


def _put_together(like: np.ndarray, T: int, planes: Sequence[IO[bytes]], file: IO[bytes]) -> None:
    """Write an array ``[N, T, ...]``, otherwise like another, from its planes."""
    shape = (len(like), T, *like.shape[2:])
    header = {"descr": like.dtype.str, "fortran_order": True, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for plane in planes:
        plane.seek(0)
        shutil.copyfileobj(plane, file)


def read(path: Path, footage: Footage) -> Tracks:
    """Read what `write` wrote.

    Raises:
        InputError: The file is not an archive of arrays, or a field does not fit.
    """
    return Tracks.from_dict(read_archive(path, (*FIELDS, *OPTIONAL_FIELDS), copies=2))


NPZ = Format(
    ".npz", "NumPy archive with the fields of Tracks", write, read, write_parts, lossless=True
)
