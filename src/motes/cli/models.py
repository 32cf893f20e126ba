"""``motes models``: what can be named with --model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from motes.cli._common import console, print_line
from motes.errors import InputError

if TYPE_CHECKING:
    from motes.models.preset import Preset

TITLES = ("model", "size", "AJ", "licence", "weights", "what it is")
INDENT = "  "


def command() -> None:
    """List the models: parameters, accuracy, licence of the weights, and whether they are here."""
    from motes.tracking.load import DEFAULT_MODEL, presets

    rows = [TITLES, *(_row(p, p.name == DEFAULT_MODEL) for p in presets().values())]
    for line in _layout(rows, console.width):
        print_line(line)
    print_line("* the default.  Size in parameters.  To fetch weights: motes fetch MODEL")
    print_line("AJ: average Jaccard in percent on our clips, see docs/howto/evaluate.md.")


def _row(preset: Preset, default: bool) -> tuple[str, ...]:
    name = f"{preset.name} *" if default else preset.name
    licence = preset.weights.licence if preset.weights else "-"
    aj = f"{preset.accuracy.aj:.1f}" if preset.accuracy else "-"
    return name, _parameters(preset), aj, licence, _weights(preset), preset.summary


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


def _parameters(preset: Preset) -> str:
    import torch

    with torch.device("meta"):
        model = preset.build(preset.config)
    count = sum(p.numel() for p in model.parameters())
    return f"{count / 1e6:.1f} M" if count else "-"


def _weights(preset: Preset) -> str:
    """Whether the weights are there, and if not, how to get them."""
    from motes.models.weights import address, installed

    if preset.weights is None:
        return "-"
    try:
        installed(preset)
    except InputError:
        if preset.weights.embedded:
            return "not yet trained"
        return "from its authors" if address(preset.weights) is None else "to fetch"
    return "included" if preset.weights.embedded else "installed"
