"""What the page may send, and the checks that need no video."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from motes.errors import InputError
from motes.web.exports import Look

Direction = Literal["forward", "backward", "both"]
Ids = Annotated[list[int], Field(min_length=1, max_length=10_000)]
Position = tuple[float, float]


class Body(BaseModel):
    """A JSON object without unknown fields, NaN or infinity."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Open(Body):
    """A video or project of the shared folder, or the bundled clip."""

    path: str | None = Field(None, max_length=4096)
    demo: bool = False


class Add(Body):
    """Positions in frame `at`."""

    at: int
    xy: Annotated[list[Position], Field(min_length=1, max_length=10_000)]
    direction: Direction = "forward"


class Region(Body):
    """Points inside a region of frame `at`.

    Attributes:
        at: The frame.
        runs: The region as pairs (first pixel, count), pixels numbered row by row.
        spacing: Distance of a grid, in pixels.
        corners: Instead of a grid: this many of the strongest corners.
        direction: Of tracking.
    """

    at: int
    runs: Annotated[list[tuple[int, int]], Field(min_length=1, max_length=200_000)]
    spacing: int | None = Field(None, ge=1, le=10_000)
    corners: int | None = Field(None, ge=1, le=5000)
    direction: Direction = "forward"

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """The region as bool ``[H, W]``.

        Raises:
            InputError: A run leaves the image.
        """
        W, H = size
        mask = np.zeros(W * H, bool)
        for first, count in self.runs:
            if first < 0 or count < 1 or first + count > W * H:
                raise InputError(f"region: expected runs inside {W}x{H} pixels")
            mask[first : first + count] = True
        return mask.reshape(H, W)


class Correct(Body):
    """Where a point is in frame `t`."""

    t: int
    x: float
    y: float


class Edit(Body):
    """A new name, or whether points are hidden."""

    ids: Ids
    name: str | None = Field(None, max_length=200)
    hidden: bool | None = None


class Delete(Body):
    """Points to remove."""

    ids: Ids


class Track(Body):
    """Points to track anew."""

    ids: Ids
    direction: Direction


class Save(Body):
    """Where to save a project in the shared folder."""

    path: str | None = Field(None, max_length=4096)
    overwrite: bool = False


class Export(Body):
    """What to export, and how pictures look."""

    kind: str = Field(max_length=40)
    ids: Ids | None = None
    look: str = Field("trails", max_length=40)
    tail: int = Field(20, ge=0, le=10_000)
    background: str = Field("normal", max_length=40)
    occluded: bool = True
    scale: float = Field(1.0, ge=0.05, le=8)

    @property
    def style(self) -> Look:
        """How pictures look."""
        return Look(self.look, self.tail, self.background, self.occluded, self.scale)
