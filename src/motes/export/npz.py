"""``.npz``: exactly the fields of `Tracks`, as NumPy arrays."""

import zipfile
from pathlib import Path

import numpy as np

from motes.errors import InputError
from motes.export.base import Format
from motes.tracks import Tracks


def write(tracks: Tracks, path: Path) -> None:
    """Write every field as an array of that name; fps as numerator and denominator."""
    np.savez_compressed(path, **tracks.to_dict())


def read(path: Path) -> Tracks:
    """Read what `write` wrote.

    Raises:
        InputError: The file is not an archive of arrays, or a field does not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"expected a NumPy archive of arrays; {error}") from None
    return Tracks.from_dict(fields)


NPZ = Format(".npz", "NumPy archive with the fields of Tracks", write, read)
