"""``motes models``: what can be named with --model."""

from rich.table import Table

from motes.cli._common import console


def command() -> None:
    """List the models: parameters, licence of the weights, and whether they are installed."""
    from motes.tracker import DEFAULT_MODEL, presets

    columns = ("model", "what it is", "parameters", "licence of the weights", "weights")
    table = Table(*columns, box=None)
    for preset in presets().values():
        name = preset.name + (" (default)" if preset.name == DEFAULT_MODEL else "")
        licence = preset.weights.licence if preset.weights else "-"
        table.add_row(name, preset.summary, _parameters(preset), licence, _state(preset))
    console.print(table)


def _parameters(preset: object) -> str:
    import torch

    with torch.device("meta"):
        model = preset.build(preset.config)  # type: ignore[attr-defined]
    count = sum(p.numel() for p in model.parameters())
    return f"{count / 1e6:.1f} M" if count else "none"


def _state(preset: object) -> str:
    return "not needed"
