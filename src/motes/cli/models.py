"""``motes models``: what can be named with --model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motes.cli._common import JSON_HELP, console, print_json, print_line
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.models.preset import Preset

TITLES = ("model", "size", "AJ", "licence", "weights", "what it is")
INDENT = "  "


def command(
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """List the models: parameters, accuracy, and licence and presence of the weights."""
    from motes.tracking.load import DEFAULT_MODEL, presets

    if as_json:
        print_json([_facts(p, p.name == DEFAULT_MODEL) for p in presets().values()])
        return
    rows = [TITLES, *(_row(p, p.name == DEFAULT_MODEL) for p in presets().values())]
    for line in _layout(rows, console.width):
        print_line(line)
    print_line("* the default.  Size in parameters.  To fetch weights: motes fetch MODEL")
    print_line("AJ: average Jaccard in percent on our clips, see docs/howto/evaluate.md.")


def _facts(preset: Preset, default: bool) -> dict[str, Any]:
    return {
        "name": preset.name,
        "default": default,
        "parameters": _parameters(preset),
        "accuracy": asdict(preset.accuracy) if preset.accuracy else None,
        "licence": preset.weights.licence if preset.weights else None,
        "weights": _weights(preset),
        "summary": preset.summary,
    }


def _row(preset: Preset, default: bool) -> tuple[str, ...]:
    facts = _facts(preset, default)
    name = f"{preset.name} *" if default else preset.name
    size = f"{facts['parameters'] / 1e6:.1f} M" if facts["parameters"] else "-"
    aj = f"{preset.accuracy.aj:.1f}" if preset.accuracy else "-"
    return name, size, aj, facts["licence"] or "-", facts["weights"] or "-", preset.summary


def _layout(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """A line a model; where that is too long, the last column goes on lines of its own."""
    columns = [max(map(len, column)) for column in zip(*rows, strict=True)]
    wide = sum(columns) + len(columns) - 1 <= width
    for row in rows:
        *facts, last = map(str.ljust, row, columns)
        if wide:
            yield " ".join([*facts, last]).rstrip()
            continue
        yield " ".join(facts).rstrip()
        yield from wrap(last, width, initial_indent=INDENT, subsequent_indent=INDENT)


def _parameters(preset: Preset) -> int:
    import torch

    with torch.device("meta"):
        model = preset.build(preset.config)
    return sum(p.numel() for p in model.parameters())


def _weights(preset: Preset) -> str | None:
    """Whether the weights are there, and if not, how to get them; None: there are none."""
    from motes.models.weights import address, installed

    if preset.weights is None:
        return None
    try:
        installed(preset)
    except InputError:
        if preset.weights.embedded:
            return "not yet trained"
        return "from its authors" if address(preset.weights) is None else "to fetch"
    return "included" if preset.weights.embedded else "installed"
