"""``motes fetch``: official weights into the user's cache."""

from typing import Annotated

import typer

from motes.cli._common import print_line


def command(name: Annotated[str, typer.Argument(help="A model; see: motes models.")]) -> None:
    """Download the official weights of a model, and show their licence."""
    from motes.common.registry import suggest
    from motes.models.weights import address, fetch
    from motes.tracking.load import presets

    known = presets()
    if name not in known:
        raise suggest(name, known, "model")
    info = known[name].weights
    if info and not info.embedded and address(info):
        print_line(f"{name}: {address(info)}\nlicence of the weights: {info.licence}")
    path = fetch(known[name])
    print_line(f"{name}: {path}")
