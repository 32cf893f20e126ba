"""The record of a run: model, data, settings and results, for people and for the model card."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from motes import __version__
from motes.common.files import replacing
from motes.train.card import model_card
from motes.train.config import Recipe
from motes.train.metrics import read_table

CURVE_ROWS = 60
"""Largest number of rows of the curve in the record; the CSV file has all."""


def write_record(
    folder: Path, recipe: Recipe, model: nn.Module, progress: Mapping[str, Any], processes: int
) -> None:
    """Write ``record.json``, and the model card ``card.md``, which is made from it.

    Raises:
        FileError: They cannot be written.
    """
    per_step = recipe.train.accumulate * processes
    record = {
        "model": recipe.model.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": progress["step"],
        "samples": _samples(recipe, progress["step"]) * per_step,
        "hours": round(progress["seconds"] / 3600, 3),
        "skipped": progress["skipped"],
        "best": {"step": progress["best_step"], "AJ": round(progress["best"], 2)},
        "hardware": hardware(),
        "processes": processes,
        "versions": {"motes": __version__, "torch": torch.__version__},
        "recipe": recipe.to_dict(),
        "curve": _thin(read_table(folder / "train.csv")),
        "scores": read_table(folder / "eval.csv"),
    }
    _write(folder / "record.json", json.dumps(record, indent=1) + "\n")
    _write(folder / "card.md", model_card(record))


def _samples(recipe: Recipe, steps: int) -> int:
    total = 0
    for stage in recipe.train.stages:
        total += min(stage.steps, max(steps, 0)) * stage.batch
        steps -= stage.steps
    return total


def hardware() -> str:
    """The hardware of the run, in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"


def _thin(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    every = -(-len(rows) // CURVE_ROWS) or 1
    return rows[every - 1 :: every]


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
