"""Sources of samples: generated clips, data sets, or videos labelled by other trackers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from motes import data
from motes.common.registry import suggest
from motes.data.augment import Augmentation, random_frames
from motes.data.dataset import Collection, datasets
from motes.data.sample import Sample
from motes.errors import InputError
from motes.synthetic import SyntheticConfig, Textures, synthesize
from motes.train.batches import Source, numpy_generator
from motes.train.config import DataConfig, SourceConfig, Stage
from motes.train.settings import amend, build

PLAIN = Augmentation(
    erase=0, jitter=0, blur=0, pad=0, scale=(1, 1), scale_step=0, shift_step=0, margin=0,
    flip_x=0, flip_y=0,
)  # fmt: skip
"""No augmentation but a crop: frames get the size of the stage."""


@dataclass(frozen=True)
class Synthetic:
    """Clips of the synthetic engine, made on the fly.

    Attributes:
        config: Settings of the engine; the stage sets size, frames and points.
        textures: Shared photographs, decoded once.
        device: Device of the engine.
        augment: Augmentation of the clips.
    """

    config: SyntheticConfig
    textures: Textures
    device: str
    augment: Augmentation

    def draw(self, generator: torch.Generator, stage: Stage) -> Sample:
        """A new clip; see `Source`."""
        config = replace(self.config, size=stage.size, frames=stage.frames, points=stage.points)
        seed = int(torch.randint(2**62, (), generator=generator))
        sample = synthesize(config, [seed], self.device, self.textures)[0]
        return replace(self.augment, crop=None)(sample, numpy_generator(generator))


@dataclass(frozen=True)
class FolderOptions:
    """Settings of sources that read clips from disk.

    Attributes:
        max_stride: Largest step between the frames of a sample.
        last_frame: Whether tracks that are visible in the last frame can be chosen, too, as in the
            training of CoTracker3 offline.
    """

    max_stride: int = 1
    last_frame: bool = False


@dataclass(frozen=True)
class Folder:
    """Clips of a data set on disk, in any layout that `motes.data` knows.

    Attributes:
        collection: The clips.
        options: Settings.
        augment: Augmentation of the clips.
    """

    collection: Collection
    options: FolderOptions
    augment: Augmentation

    def draw(self, generator: torch.Generator, stage: Stage) -> Sample:
        """Some frames of a clip, augmented and cropped; see `Source`."""
        rng = numpy_generator(generator)
        entry = self.collection.entries[int(rng.integers(len(self.collection)))]
        clip = entry.load()
        frames = random_frames(clip.tracks.num_frames, stage.frames, rng, self.options.max_stride)
        sample = replace(self.augment, crop=stage.size)(clip.sample(frames), rng)
        return sample.points(self._choose(sample, stage.points, generator, entry.name))

    def _choose(self, sample: Sample, count: int, generator: torch.Generator, name: str) -> Tensor:
        """Choose tracks that are visible in the first or middle (or last) frame, as CoTracker3.

        A track that is visible in several of these frames is more likely, and may be chosen twice.
        If there are too few tracks, some are repeated.
        """
        frames = [0, sample.num_frames // 2, *([-1] if self.options.last_frame else [])]
        usable = sample.visible & sample.valid
        candidates = torch.cat([usable[t].nonzero()[:, 0] for t in frames])
        if not len(candidates):
            raise InputError(f"{name}: no track is visible in the frames that were drawn")
        order = [torch.randperm(len(candidates), generator=generator)]
        while sum(map(len, order)) < count:
            order.append(torch.randperm(len(candidates), generator=generator))
        return candidates[torch.cat(order)[:count]]


Maker = Callable[[SourceConfig, Augmentation], Source]


def _synthetic(config: SourceConfig, augment: Augmentation) -> Source:
    table = dict(config.options)
    if config.path is not None:
        table["textures"] = config.path
    look = build(SyntheticConfig, table, "data.sources.options")
    return Synthetic(look, Textures.of(look), config.device or "cpu", augment)


def _folder(config: SourceConfig, augment: Augmentation) -> Source:
    options = build(FolderOptions, config.options, "data.sources.options")
    return Folder(data.load(config.kind, _path(config)), options, augment)


def _pseudo(config: SourceConfig, augment: Augmentation) -> Source:
    from motes.train.pseudo import PseudoOptions, pseudo_source

    options = build(PseudoOptions, config.options, "data.sources.options")
    return pseudo_source(_path(config), options, config.device or "cpu", augment)


def _rendered(config: SourceConfig, augment: Augmentation) -> Source:
    from motes.train.rendered import Rendered, RenderedOptions

    table = {**config.options, "look": dict(config.options.get("look", {}))}
    if config.path is not None:
        table["look"]["textures"] = config.path
    return Rendered.of(build(RenderedOptions, table, "data.sources.options"))


def _path(config: SourceConfig) -> str:
    if config.path is None:
        raise InputError(f"data source {config.kind!r}: expected the path of a folder, got none")
    return config.path


def makers() -> dict[str, Maker]:
    """All kinds of sources: the engine, pseudo-labels, and each layout of data sets."""
    layouts: dict[str, Any] = {dataset.name: _folder for dataset in datasets()}
    return {"synthetic": _synthetic, "pseudo": _pseudo, "rendered": _rendered, **layouts}


def build_sources(config: DataConfig) -> list[Source]:
    """Open the sources of a recipe.

    Raises:
        InputError: A kind or an option is unknown; the nearest is suggested.
        FileError: A folder does not exist or holds nothing usable.
    """
    if not config.sources:
        raise InputError("data.sources: expected at least one source, got none")
    augment = PLAIN
    if config.augment is not None:
        augment = amend(Augmentation(), config.augment, "data.augment")
    known = makers()
    for source in config.sources:
        if source.kind not in known:
            raise suggest(source.kind, known, "data source")
    fastest = "cuda" if torch.cuda.is_available() and not config.workers else "cpu"
    placed = [replace(s, device=s.device or fastest) for s in config.sources]
    return [known[source.kind](source, augment) for source in placed]
