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

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("model", "parameters", "licence", "weights"):
        table.add_column(title, no_wrap=True)
    table.add_column("what it is", overflow="fold")
    for p in presets().values():
        name = f"{p.name} *" if p.name == DEFAULT_MODEL else p.name
        licence = p.weights.licence if p.weights else "-"
        table.add_row(name, _parameters(p), licence, _weights(p), p.summary)
    console.print(table)
    console.print("* the default", highlight=False)


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
        return "none needed"
    try:
        installed(preset)
    except InputError:
        return "not yet trained" if preset.weights.embedded else f"motes fetch {preset.name}"
    return "included" if preset.weights.embedded else "installed"
