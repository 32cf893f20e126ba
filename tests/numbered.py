"""A source of samples for tests, in a module that worker processes can import."""

from dataclasses import dataclass

import torch

from motes.data.sample import Sample
from motes.errors import InputError
from motes.train.config import Stage


@dataclass(frozen=True)
class Numbers:
    """Every clip is a number; one in `broken` cannot be used."""

    broken: float = 0.0
    error: Exception | None = None

    def draw(self, generator: torch.Generator, stage: Stage) -> Sample:
        if torch.rand((), generator=generator) < self.broken:
            raise self.error or InputError("broken clip")
        T, N = stage.frames, stage.points
        video = torch.randint(256, (1,), generator=generator, dtype=torch.uint8)
        xy = torch.rand(T, N, 2, generator=generator)
        yes = torch.ones(T, N, dtype=torch.bool)
        return Sample(video.expand(T, 3, *stage.size).contiguous(), xy, yes, yes)
