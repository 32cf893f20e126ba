"""`load_exported`: a model whose networks run in ONNX Runtime; everything else stays the same."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path

from filelock import FileLock

from motes import __version__
from motes.common.files import make_folder
from motes.errors import InputError
from motes.models.base import PointModel
from motes.models.preset import Preset
from motes.models.weights import cache_folder, installed, load_weights
from motes.onnx.export import export_model, find_architecture
from motes.onnx.files import FORMAT, read_description


def load_exported(
    preset: Preset, folder: str | PathLike[str], threads: int | None = None
) -> PointModel:
    """Build a model from what `export_model` wrote.

    Args:
        preset: Of the exported model.
        folder: Where the graphs are.
        threads: Threads of ONNX Runtime; None: as many as torch has.

    Raises:
        FileError: The folder, its description or a graph cannot be read, or is of another version.
        InputError: It holds another model, or no model of this kind can be exported.
        MissingExtraError: ONNX Runtime is not installed.

    Example:
        >>> motes.load("cotracker3-online", weights="exported", runtime="onnx")  # doctest: +SKIP
    """
    architecture = find_architecture(preset)
    place = Path(folder).expanduser()
    facts = read_description(place)
    if facts.get("model") != preset.name:
        raise InputError(f"{place}: expected an exported {preset.name}, got {facts.get('model')!r}")
    return architecture.load(preset.config, place, threads).eval()


def load_installed(preset: Preset, threads: int | None = None) -> PointModel:
    """Build a model from the installed weights, which are exported into the user's cache once.

    Args:
        preset: Of the model.
        threads: Threads of ONNX Runtime; None: as many as torch has.

    Raises:
        FileError: The weights or the cache cannot be read or written.
        InputError: The weights are not here, or no model of this kind can be exported.
        MissingExtraError: ONNX Runtime, onnx or onnxscript is not installed.
    """
    find_architecture(preset)
    weights = installed(preset)
    digest = hashlib.sha256(f"{FORMAT} {__version__}".encode() + weights.read_bytes()).hexdigest()
    cache = make_folder(cache_folder() / "onnx")
    folder = cache / f"{preset.name}-{digest[:16]}"
    with FileLock(f"{folder}.lock"):  # of several processes one exports, the others wait
        if not folder.exists():
            export_model(load_weights(preset), preset, folder)
    return load_exported(preset, folder, threads)
