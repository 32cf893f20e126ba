"""`export_model`: a model as ONNX files that any ONNX runtime reads, with a description in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn

from motes.common.files import replacing
from motes.errors import InputError, MissingExtraError
from motes.models.cotracker3 import CoTracker3
from motes.models.preset import Preset
from motes.onnx.graphs import Encoder, Patches, Update, example, names

OPSET = 18
DESCRIPTION = "config.json"


def export_model(model: nn.Module, preset: Preset, folder: str | PathLike[str]) -> list[Path]:
    """Write a CoTracker3 as three graphs, ``encoder``, ``patches`` and ``update``.

    Free axes: the number of frames that the encoder takes, the number of points, height and width.
    The window has the length that the model was trained with.

    Args:
        model: With its weights.
        preset: Its surroundings.
        folder: New or empty; written whole or not at all.

    Returns:
        The files.

    Raises:
        InputError: The model is no CoTracker3.
        MissingExtraError: onnx or onnxscript is not installed.
        FileError: The folder cannot be written.

    Example:
        >>> from motes.onnx.export import export_model
        >>> tracker = motes.load("cotracker3-online")  # doctest: +SKIP
        >>> export_model(tracker.model, tracker.preset, "exported")  # doctest: +SKIP
    """
    if not isinstance(model, CoTracker3):
        raise InputError(f"expected a CoTracker3 to export, got {preset.name}")
    _check_installed()
    target = Path(folder)
    schedule = model.windowed()
    window = schedule.window or 0
    with replacing(target) as temporary, torch.enable_grad():  # no cutting into parts
        temporary.mkdir()
        for name, (graph, inputs, outputs, axes) in _graphs(model.cpu(), window).items():
            program: Any = torch.onnx.export(
                graph.eval(),
                tuple(inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=_flat_names(inputs),
                output_names=outputs,
                dynamic_shapes=tuple(axes[key] for key in inputs),
                optimize=False,  # takes minutes; a runtime optimises when it loads the graph
                verbose=False,
            )
            program.save(temporary / f"{name}.onnx")
        facts = describe(model, preset, window, schedule.step)
        (temporary / DESCRIPTION).write_text(json.dumps(facts, indent=1))
    return sorted(target.iterdir())


def describe(model: CoTracker3, preset: Preset, window: int, step: int) -> dict[str, Any]:
    """All that a program needs to know to use the graphs."""
    target = preset.resize.size
    return {
        "model": preset.name,
        "opset": OPSET,
        "licence_of_weights": preset.weights.licence if preset.weights else None,
        "window": window,
        "step": step,
        "iterations": model.iterations,
        "stride": model.stride,
        "levels": model.levels,
        "channels": model.channels,
        "patch_radius": model.support_radius,
        "height_width": list(target) if target else None,
        "frames": "float32 RGB in [0, 1]",
        "positions": "cells = pixels / stride; pixel centres are whole numbers",
        "visible_above": preset.visible_above,
        "score": "sigmoid(visibility) * sigmoid(confidence)",
    }


def _graphs(model: CoTracker3, window: int) -> dict[str, tuple[nn.Module, dict, list[str], dict]]:
    """Per graph: the module, example inputs, names of outputs, free axes."""
    given, count = example(model, window), model.levels
    auto = torch.export.Dim.AUTO
    maps, points = [{2: auto, 3: auto}] * count, {1: auto}
    free: dict[str, Any] = {
        "frames": {0: auto, 2: auto, 3: auto},
        "levels": maps,
        "frame": points,
        "cells": points,
        "xy": points,
        "logits": points,
        "support": [points] * count,
    }

    def pick(*keys: str) -> dict[str, Any]:
        return {key: given[key] for key in keys}

    return {
        "encoder": (Encoder(model), pick("frames"), names("level", count), free),
        "patches": (
            Patches(model),
            pick("levels", "frame", "cells"),
            names("support", count),
            free | {"levels": [{1: auto, 2: auto, 3: auto}] * count},
        ),
        "update": (
            Update(model),
            pick("xy", "logits", "levels", "support"),
            ["new_xy", "new_logits"],
            free,
        ),
    }


def _flat_names(inputs: dict[str, Any]) -> Sequence[str]:
    flat: list[str] = []
    for key, value in inputs.items():
        flat += names(key.removesuffix("s"), len(value)) if isinstance(value, list) else [key]
    return flat


def _check_installed() -> None:
    try:
        import onnxscript  # noqa: F401

        import onnx  # noqa: F401
    except ImportError:
        raise MissingExtraError("Exporting a model", "onnx") from None
