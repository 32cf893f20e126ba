"""A CoTracker3 whose networks run in ONNX Runtime; windows, sessions and streams stay the same."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from motes.errors import FileError, InputError, MissingExtraError
from motes.models.base import FeatureMaps
from motes.models.cotracker3 import CoTracker3, CoTracker3Config
from motes.models.cotracker_base import Estimate
from motes.models.preset import Preset
from motes.onnx.export import DESCRIPTION

GRAPHS = ("encoder", "update")


class OnnxCoTracker3(CoTracker3):
    """Encodes and refines with exported graphs; see `motes.onnx.export`.

    Args:
        config: Of the exported model.
        folder: Where the graphs are.
        threads: Threads of ONNX Runtime; None: as it chooses.
    """

    def __init__(self, config: CoTracker3Config, folder: Path, threads: int | None = None) -> None:
        super().__init__(config)
        for part, name in ((self, "match"), (self, "transformer"), (self.encoder, "stages")):
            setattr(part, name, nn.Identity())  # the graphs hold these; their memory is free
        self.sessions = {name: _session(folder / f"{name}.onnx", threads) for name in GRAPHS}

    def encode(self, video: Tensor) -> FeatureMaps:
        """See `PointModel.encode`."""
        levels = self._run("encoder", [video.float().flatten(0, 1)])
        return FeatureMaps(tuple(level.unflatten(0, video.shape[:2]) for level in levels))

    def update(
        self, estimate: Estimate, features: FeatureMaps, support: tuple[Tensor, ...]
    ) -> Estimate:
        """See `CoTracker3.update`; a last window that is not full is filled with its last frame."""
        frames = estimate.xy.shape[2]
        levels = features.padded(frames).levels
        return Estimate(*self._run("update", [estimate.xy, estimate.logits, *levels, *support]))

    def _run(self, name: str, inputs: list[Tensor]) -> list[Tensor]:
        session = self.sessions[name]
        keys = [value.name for value in session.get_inputs()]
        feeds = {k: v.contiguous().numpy() for k, v in zip(keys, inputs, strict=True)}
        return [torch.from_numpy(value) for value in session.run(None, feeds)]


def load_exported(
    preset: Preset, folder: str | PathLike[str], threads: int | None = None
) -> OnnxCoTracker3:
    """Build a model from what `export_model` wrote.

    Raises:
        FileError: The folder, its description or a graph cannot be read.
        InputError: It holds another model.
        MissingExtraError: ONNX Runtime is not installed.

    Example:
        >>> motes.load("cotracker3-online", weights="exported", runtime="onnx")  # doctest: +SKIP
    """
    place = Path(folder).expanduser()
    facts = _facts(place)
    if facts.get("model") != preset.name:
        raise InputError(f"{place}: expected an exported {preset.name}, got {facts.get('model')!r}")
    if not isinstance(preset.config, CoTracker3Config):
        raise InputError(f"runtime: expected a CoTracker3 for 'onnx', got {preset.name}")
    return OnnxCoTracker3(preset.config, place, threads)


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(
            f"{folder}: expected a folder written by motes export-model, got: {error}"
        ) from None
    return facts if isinstance(facts, dict) else {}


def _session(path: Path, threads: int | None) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("runtime='onnx'", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the classes of ONNX Runtime's errors are its own affair
        raise FileError(f"{path}: expected an ONNX graph, got: {error}") from None
