"""``motes models``: what can be named with --model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from motes.cli._common import console
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.models.base import Preset


def command() -> None:
    """List the models: parameters, licence of the weights, and whether they are installed."""
    from motes.tracker import DEFAULT_MODEL, presets

    known = presets()
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True, min_width=max(map(len, known)) + 2)
    for title in ("size", "licence", "weights"):
        table.add_column(title, no_wrap=True, min_width=len(title))
    table.add_column("what it is", overflow="fold")
    for p in known.values():
        name = f"{p.name} *" if p.name == DEFAULT_MODEL else p.name
        licence = p.weights.licence if p.weights else "-"
        table.add_row(name, _parameters(p), licence, _weights(p), p.summary)
    console.print(table)
    console.print("* the default.  Size in parameters.  To fetch weights: motes fetch MODEL")


def _parameters(preset: Preset) -> str:
    import torch

    with torch.device("meta"):
        model = preset.build(preset.config)
    count = sum(p.numel() for p in model.parameters())
    return f"{count / 1e6:.1f} M" if count else "-"


def _weights(preset: Preset) -> str:
    """Whether the weights are there, and if not, how to get them."""
    from motes.weights import installed

    if preset.weights is None:
        return "-"
    try:
        installed(preset)
    except InputError:
        return "not yet trained" if preset.weights.embedded else "to fetch"
    return "included" if preset.weights.embedded else "installed"
