"""Help texts that list plug-ins: ``$looks`` in a text becomes the names that the registry knows.

The registries are searched only when help is shown, because that imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from string import Template
from typing import Any

from typer.core import TyperCommand


def _looks() -> Iterable[str]:
    from motes.rendering import looks

    return looks()


def _colors() -> Iterable[str]:
    from motes.rendering.colors import SCHEMES

    return SCHEMES


def _backgrounds() -> Iterable[str]:
    from motes.rendering.backgrounds import BACKGROUNDS

    return BACKGROUNDS


def _track_suffixes() -> Iterable[str]:
    from motes.export import formats

    return formats()


def _video_suffixes() -> Iterable[str]:
    from motes.video import writer_suffixes

    return (suffix or "FOLDER/" for suffix in writer_suffixes())


def _datasets() -> Iterable[str]:
    from motes.data import datasets

    return (dataset.name for dataset in datasets())


def _protocols() -> Iterable[str]:
    from motes.eval.protocols import PROTOCOLS

    return (protocol.name for protocol in PROTOCOLS)


def _dtypes() -> Iterable[str]:
    from motes.tracking.number_types import NUMBER_TYPES

    return NUMBER_TYPES


def _runtimes() -> Iterable[str]:
    from motes.tracking.load import RUNTIMES

    return RUNTIMES


LISTS: dict[str, Callable[[], Iterable[str]]] = {
    "looks": _looks,
    "colors": _colors,
    "backgrounds": _backgrounds,
    "track_suffixes": _track_suffixes,
    "video_suffixes": _video_suffixes,
    "datasets": _datasets,
    "protocols": _protocols,
    "dtypes": _dtypes,
    "runtimes": _runtimes,
}
"""What each ``$name`` of a help text stands for."""


class Command(TyperCommand):
    """A command whose help lists plug-ins."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help."""
        self.help = _filled(self.help)
        for parameter in self.params:
            if text := getattr(parameter, "help", None):
                parameter.help = _filled(text)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def _filled(text: str | None) -> str | None:
    if text is None or "$" not in text:
        return text
    used = Template(text).get_identifiers()
    lists = {name: ", ".join(LISTS[name]()) for name in used if name in LISTS}
    return Template(text).safe_substitute(lists)
