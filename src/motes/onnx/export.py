"""`export_model`: a model as ONNX files that any ONNX runtime reads, with a description in JSON."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from motes.common.files import check_writable, replacing
from motes.common.registry import discover
from motes.errors import FileError, InputError, MissingExtraError
from motes.models.base import PointModel
from motes.models.preset import Preset
from motes.onnx.architecture import Architecture, Graph
from motes.onnx.files import DESCRIPTION, FORMAT

OPSET = 18


def export_model(model: PointModel, preset: Preset, folder: str | PathLike[str]) -> list[Path]:
    """Write a CoTracker3, a TAPTR or a motes-s as ONNX graphs; docs/howto/onnx.md describes them.

    Free axes: the number of frames, the number of points, height and width.  CoTracker3 and TAPTR
    refine windows of the length that they were trained with.

    Args:
        model: With its weights.
        preset: Its surroundings.
        folder: New or empty; written whole or not at all.

    Returns:
        The files.

    Raises:
        InputError: No model of this kind can be exported.
        MissingExtraError: onnx or onnxscript is not installed.
        FileError: The folder cannot be written, or it holds files already.

    Example:
        >>> from motes.onnx.export import export_model
        >>> tracker = motes.load("cotracker3-online")  # doctest: +SKIP
        >>> export_model(tracker.model, tracker.preset, "exported")  # doctest: +SKIP
    """
    architecture = find_architecture(preset)
    _check_installed()
    target = Path(folder).expanduser()
    check_writable(target, folder=True)
    if target.exists() and any(target.iterdir()):
        raise FileError(f"{folder}: expected a new or an empty folder, found files in it")
    model = copy.deepcopy(model).cpu().requires_grad_(False).eval()
    with replacing(target) as temporary, torch.enable_grad():  # no cutting into parts
        temporary.mkdir()
        for name, graph in architecture.graphs(model).items():
            _write(graph, temporary / f"{name}.onnx")
        facts = _facts(preset) | architecture.describe(model)
        (temporary / DESCRIPTION).write_text(json.dumps(facts, indent=1))
    return sorted(target.iterdir())


def find_architecture(preset: Preset) -> Architecture:
    """How models of this kind are exported and loaded.

    Raises:
        InputError: They cannot be exported.
    """
    known = discover("motes.onnx", Architecture)
    found = next((a for a in known if type(preset.config) is a.config), None)
    if found is None:
        configs = {a.config for a in known}
        names = [p.name for p in discover("motes.models", Preset) if type(p.config) in configs]
        raise InputError(f"ONNX: expected one of {', '.join(sorted(names))}; got {preset.name}")
    return found


def _write(graph: Graph, path: Path) -> None:
    with _quiet():
        program = _exported(graph)
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # tracebacks, with the paths of this machine
    program.save(path)


def _exported(graph: Graph) -> Any:
    return torch.onnx.export(
        graph.module.eval(),
        tuple(graph.inputs.values()),
        dynamo=True,
        opset_version=OPSET,
        input_names=graph.input_names,
        output_names=graph.outputs,
        dynamic_shapes=tuple(graph.free[name] for name in graph.inputs),
        optimize=False,  # takes minutes; a runtime optimises when it loads the graph
        verbose=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch tells its own developers."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _facts(preset: Preset) -> dict[str, Any]:
    """What the description says of every model."""
    size = preset.resize.size
    return {
        "format": FORMAT,
        "model": preset.name,
        "opset": OPSET,
        "licence_of_weights": preset.weights.licence if preset.weights else None,
        "height_width": list(size) if size else None,
        "long_side": preset.resize.long_side,
        "frames": "float32 RGB in [0, 1]",
        "positions": "cells = pixels / stride; pixel centres are whole numbers",
        "score": "sigmoid(visibility) * sigmoid(confidence)",
        "visible_above": preset.visible_above,
    }


def _check_installed() -> None:
    try:
        import onnxscript  # noqa: F401

        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtraError("Exporting a model", "onnx") from None
