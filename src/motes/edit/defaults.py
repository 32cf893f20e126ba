"""The tracker of editing where the user names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motes.tracking.tracker import Tracker


def default_tracker(name: str | None = None, device: str | None = None) -> Tracker:
    """The tracker of this name; default: the default model of motes."""
    from motes.tracking.load import DEFAULT_MODEL, load

    return load(name or DEFAULT_MODEL, device=device)
