"""Batches: a sample depends only on the seed and on its number.

Therefore a resumed run sees the same data, and two processes together see the same data as one
process with twice the batch.  The only state is the number of samples so far.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from motes.common.processes import end_with_parent
from motes.data.dataset import describe
from motes.data.sample import Sample, collate
from motes.errors import FileError
from motes.train.config import DataConfig, Stage


class Source(Protocol):
    """A source of samples, without state: a sample depends only on the generator."""

    def draw(self, generator: torch.Generator, stage: Stage) -> Sample | Batch:
        """A sample of the stage's size, frames and points; a batch of one, if it has queries.

        Raises:
            MotesError: This sample is unusable; another draw may succeed.
        """


@dataclass(frozen=True)
class Batch:
    """Input of one forward pass.

    Attributes:
        sample: With a batch axis B.
        queries: float32 ``[B, N, 3]`` (t, x, y), pixels of the sample.
        skipped: Why draws were skipped while the batch was made.
        candidates: float32 ``[B, N, S, K, 2]``, pixels, of all kinds; None: computed by the model.
        error: float32 ``[B, N, S, K]``, pixels.
    """

    sample: Sample
    queries: Tensor
    skipped: tuple[str, ...] = ()
    candidates: Tensor | None = None
    error: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        optional = {name: getattr(self, name) for name in OPTIONAL}
        moved = {name: v if v is None else v.to(device) for name, v in optional.items()}
        sample, queries = self.sample.to(device), self.queries.to(device)
        return Batch(sample, queries, self.skipped, **moved)


@runtime_checkable
class HoldsOut(Protocol):
    """A source that keeps clips for validation."""

    def held_out(self, number: int) -> Sample:
        """Validation clip `number`, without batch axis; `Source.draw` never uses it."""


OPTIONAL = ("candidates", "error")
"""Fields of `Batch` that only some sources have."""


class Draws(Dataset[Batch]):
    """Sample number i of a run, as a batch of one.

    Args:
        sources: The sources, in the order of `config.sources`.
        config: Weights of the sources, and how queries are chosen.
        stage: The shape of the samples.
        seed: Seed of the run.
    """

    def __init__(
        self, sources: Sequence[Source], config: DataConfig, stage: Stage, seed: int
    ) -> None:
        self.sources, self.config, self.stage, self.seed = sources, config, stage, seed
        self.weights = torch.tensor([source.weight for source in config.sources])

    def __getitem__(self, key: tuple[int, int, int]) -> Batch:
        """Draw until a sample is usable; the reasons of the others are in `Batch.skipped`.

        Args:
            key: Number of the sample, and its numbers of frames and points.

        Raises:
            FileError: Too many draws in a row were unusable.
        """
        index, frames, points = key
        stage = replace(self.stage, frames=frames, longest=None, points=points, min_points=None)
        skipped = []
        for attempt in range(self.config.attempts):
            generator = seeded(self.seed, index, attempt)
            source = self.sources[int(torch.multinomial(self.weights, 1, generator=generator))]
            try:
                sample = source.draw(generator, stage)
            except Exception as error:  # decoders raise anything on damaged files
                skipped.append(describe(error))
                continue
            if isinstance(sample, Batch):
                return replace(sample, skipped=tuple(skipped))
            queries = draw_queries(sample, self.config.first_queries, generator)
            return Batch(collate([sample]), queries[None], tuple(skipped))
        raise FileError(f"{len(skipped)} samples in a row could not be used; last: {skipped[-1]}")


def seeded(*numbers: int) -> torch.Generator:
    """A generator whose stream depends on all numbers (at least 0) and on their order."""
    state = 0
    for number in numbers:  # the finaliser of SplitMix64 separates neighbouring seeds
        state = (state + number + 0x9E3779B97F4A7C15) & (2**64 - 1)
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        state ^= state >> 31
    return torch.Generator().manual_seed(state & (2**63 - 1))


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """A NumPy generator, seeded by a PyTorch one."""
    return np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))


def draw_queries(sample: Sample, first: float, generator: torch.Generator) -> Tensor:
    """Draw a query for every point: one of its visible frames, and its true position there.

    Args:
        sample: T frames, N points, no batch axis.
        first: Share of the points that are queried where they are first visible; the others in
            any visible frame.  A point that is never visible is queried in frame 0.
        generator: Source of randomness.

    Returns:
        float32 ``[N, 3]`` (t, x, y).
    """
    usable = (sample.visible & sample.valid).T.float().cpu()  # [N, T]
    N = usable.shape[0]
    hidden = usable.sum(1, keepdim=True) == 0  # in all frames
    random_frame = torch.multinomial(usable + hidden, 1, generator=generator)[:, 0]
    use_first = torch.rand(N, generator=generator) < first
    t = torch.where(use_first, usable.argmax(1), random_frame) * ~hidden[:, 0]
    xy = sample.xy[t, torch.arange(N)]
    return torch.cat([t[:, None].to(xy), xy], 1).nan_to_num()


def join(batches: Sequence[Batch]) -> Batch:
    """Stack batches of equal shape."""
    names = ("video", "xy", "visible", "valid")
    parts = (torch.cat([getattr(b.sample, name) for b in batches]) for name in names)
    skipped = tuple(line for batch in batches for line in batch.skipped)
    queries = torch.cat([batch.queries for batch in batches])
    optional = [torch.cat(v) if v else None for v in (_present(batches, n) for n in OPTIONAL)]
    return Batch(Sample(*parts), queries, skipped, *optional)


def _present(batches: Sequence[Batch], name: str) -> list[Tensor]:
    return [getattr(batch, name) for batch in batches if getattr(batch, name) is not None]


@dataclass(frozen=True)
class Share:
    """The share of a process: number `rank` of `world`."""

    rank: int = 0
    world: int = 1


def batches(draws: Draws, first: int, count: int, share: Share) -> Iterator[Batch]:
    """The batches of one process.

    Args:
        draws: Samples of this stage.
        first: Number of the first sample, counted over all processes.
        count: Number of batches.
        share: The share of this process; together, the processes take the samples of
            `count * world` consecutive batches.
    """
    size = draws.stage.batch
    steps = [first + i * share.world * size for i in range(count)]
    loader = DataLoader(
        draws,
        batch_sampler=[sample_keys(draws, step + share.rank * size, step) for step in steps],
        collate_fn=join,
        num_workers=draws.config.workers,
        worker_init_fn=partial(_start_worker, os.getpid()),
        # A fork could inherit locks that threads of the libraries hold.
        multiprocessing_context="spawn" if draws.config.workers else None,
    )
    yield from loader


def sample_keys(draws: Draws, start: int, step: int) -> list[tuple[int, int, int]]:
    """Keys of `draws` for a batch; all samples have the same numbers of frames and points.

    Args:
        draws: Samples of this stage.
        start: Number of the first sample.
        step: Number of the first sample of all processes in this step.  The number of points
            depends on it, so that it is the same in all processes, and none waits for another.
    """
    stage, frames, points = draws.stage, draws.stage.frames, draws.stage.points
    if stage.longest is not None:
        frames = int(torch.randint(frames, stage.longest + 1, (), generator=seeded(start)))
    if stage.min_points is not None:
        share = float(torch.rand((), generator=seeded(step, 1))) ** 2
        points = stage.min_points + round(share * (points - stage.min_points))
    return [(index, frames, points) for index in range(start, start + stage.batch)]


def _start_worker(parent: int, _: int) -> None:
    end_with_parent(parent)
    torch.set_num_threads(1)
