"""Make clips with exact ground truth from seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from motes.data.sample import Sample
from motes.errors import InputError
from motes.synthetic.config import SyntheticConfig
from motes.synthetic.dice import Dice
from motes.synthetic.effects import camera_effects
from motes.synthetic.layers.scene import draw_layers
from motes.synthetic.scene import Points, Scene, inside
from motes.synthetic.solids.stage import draw_world
from motes.synthetic.textures import Textures

OVERSAMPLING, MOVER_OVERSAMPLING = 4, 32
"""Candidates per track, from which the tracks are chosen; more where there are movers, so that
some lie on each of them."""

FARTHEST = 2.0
"""Distance from the frame, in frame sides, beyond which positions are marked invalid."""


def synthesize(
    config: SyntheticConfig,
    seeds: Sequence[int],
    device: str | torch.device = "cpu",
    textures: Textures | None = None,
) -> list[Sample]:
    """Make clips; each depends only on its seed.

    A clip is rendered as one batch of frames on the device.

    Args:
        config: What to make.
        seeds: One for each clip.
        device: Of rendering and of the result.
        textures: Shared by several calls so that photographs are decoded once; by default made
            from the configuration.

    Returns:
        One `Sample` for each seed, on the device.

    Raises:
        InputError: The device cannot be used.
        FileError: The textures cannot be read.

    Example:
        >>> from motes.synthetic import SyntheticConfig, synthesize
        >>> config = SyntheticConfig(frames=4, size=(32, 32), points=8, kind="layers")
        >>> [sample] = synthesize(config, seeds=[0])
        >>> sample.video.shape, sample.xy.shape
        (torch.Size([4, 3, 32, 32]), torch.Size([4, 8, 2]))
    """
    if textures is None:
        textures = Textures.of(config)
    checked = _usable(device)
    return [_clip(config, seed, checked, textures) for seed in seeds]


def _usable(device: str | torch.device) -> torch.device:
    try:
        return torch.zeros((), device=device).device
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device: {device!s} cannot be used: {reason}") from error


class SyntheticClips(IterableDataset[Sample]):
    """Endless clips for training; workers of a loader and processes of a run share the seeds.

    Args:
        config: What to make.
        seed: The same seed gives the same clips.
        start: Number of the first clip, to continue an earlier run.
        step: Every `step`-th clip is made: the number of processes, where `start` is the rank.
        device: Of rendering and of the clips.

    Example:
        >>> from motes.synthetic import SyntheticClips, SyntheticConfig
        >>> config = SyntheticConfig(frames=4, size=(32, 32), points=8, kind="layers")
        >>> next(iter(SyntheticClips(config, seed=1))).video.shape
        torch.Size([4, 3, 32, 32])
    """

    def __init__(
        self,
        config: SyntheticConfig,
        seed: int = 0,
        start: int = 0,
        step: int = 1,
        device: str | torch.device = "cpu",
    ) -> None:
        self.config, self.seed, self.device = config, seed, device
        self.start, self.step = start, step
        self.textures = Textures.of(config)

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        rank, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        index = self.start + self.step * rank
        while True:
            yield self[index]
            index += self.step * workers

    def __getitem__(self, index: int) -> Sample:
        """The clip of this number; it is the same in every run."""
        seed = clip_seed(self.seed, index)
        return synthesize(self.config, [seed], self.device, self.textures)[0]


def clip_seed(seed: int, index: int) -> int:
    """The seed of one clip of a series.

    Example:
        >>> from motes.synthetic import clip_seed
        >>> clip_seed(1, 0) == clip_seed(1, 0), clip_seed(1, 0) == clip_seed(1, 1)
        (True, False)
    """
    return (seed << 32) + index


@torch.no_grad()
def _clip(config: SyntheticConfig, seed: int, device: torch.device, textures: Textures) -> Sample:
    dice = Dice(seed)
    scene = draw_scene(config, dice, textures, device)
    times = torch.arange(config.frames, dtype=torch.float64)
    shutter = config.shutter * dice.number(0, 1) if dice.chance(0.6) else 0.0
    samples = _samples(config, shutter * _speed(scene, times, config.size))
    video = expose(scene, times, shutter, samples)
    if config.effects:
        video = camera_effects(config, dice, video, times)
    found = scene.locate(choose_points(config, dice, scene, times), times)
    sides = torch.tensor(config.size[::-1], dtype=torch.float64)
    near = ((found.xy / sides - 0.5).abs() < FARTHEST + 0.5).all(-1)
    return Sample(
        video=(video.clamp(0, 1) * 255 + 0.5).to(torch.uint8),
        xy=found.xy.nan_to_num().clamp(-1e4, 1e4).to(device, torch.float32),
        visible=(found.visible & found.valid & inside(found.xy, config.size)).to(device),
        valid=(found.valid & near).to(device),
    )


def draw_scene(
    config: SyntheticConfig, dice: Dice, textures: Textures, device: torch.device
) -> Scene:
    """A random scene of one of the configured kinds."""
    share = {"layers": 0.0, "solids": 1.0, "mixed": config.solids}[config.kind]
    draw = draw_world if dice.chance(share) else draw_layers
    return draw(config, dice, textures, device)


def _speed(scene: Scene, times: Tensor, size: tuple[int, int]) -> float:
    """Speed in pixels per frame: the 90th percentile over nine points of every frame."""
    H, W = size
    probes = torch.cartesian_prod(*(torch.tensor([0.15, 0.5, 0.85]) * side for side in (W, H)))
    points = scene.pick(times, probes.double().expand(len(times), -1, -1))
    xy = scene.locate(points[(points.surface >= 0).nonzero()[:, 0]], times).xy
    framed = inside(xy, size)
    steps = (xy[1:] - xy[:-1]).norm(dim=-1)[framed[1:] & framed[:-1]]
    return float(steps.quantile(0.9)) if len(steps) else 0.0


def _samples(config: SyntheticConfig, blur: float) -> int:
    """Images per frame: one for every two pixels of motion blur, within the configured range."""
    fewest, most = config.samples
    return max(fewest, min(most, math.ceil(blur / 2)))


def expose(scene: Scene, times: Tensor, shutter: float = 0.0, samples: int = 1) -> Tensor:
    """Average pictures over the exposure, which is centred on each frame's time.

    Each sample has another sub-pixel offset, which smooths edges.

    Args:
        scene: The scene to render.
        times: Of the frames, ``[T]``.
        shutter: Length of the exposure in frames.
        samples: Pictures per frame.

    Returns:
        ``[T, 3, H, W]`` in 0..1; above 1 where a surface is lit brightly.
    """
    video = scene.render(times - shutter * (0.5 - 0.5 / samples), _offset(0, samples))
    for k in range(1, samples):
        time = times + shutter * ((k + 0.5) / samples - 0.5)
        video += scene.render(time, _offset(k, samples))
    return video / samples if samples > 1 else video


def _offset(k: int, samples: int) -> tuple[float, float]:
    """Sub-pixel offset (x, y) of sample k: a lattice; no two samples share a row or a column."""
    stride = next(m for m in range(samples // 2 + 1, samples + 2) if math.gcd(m, samples) == 1)
    x, y = ((index + 0.5) / samples - 0.5 for index in (k, k * stride % samples))
    return 0.8 * x, 0.8 * y


def choose_points(config: SyntheticConfig, dice: Dice, scene: Scene, times: Tensor) -> Points:
    """Choose N points that are seen in some frame; small surfaces get more than their area."""
    H, W = config.size
    oversampling = MOVER_OVERSAMPLING if config.movers[1] else OVERSAMPLING
    each = -(-oversampling * config.points // len(times))
    scale = torch.tensor([W - 1, H - 1], dtype=torch.float64)
    points = scene.pick(times, dice.uniform(0, 1, len(times), each, 2) * scale)
    points = points[(points.surface >= 0).nonzero()[:, 0]]
    counts = torch.bincount(points.surface).double()
    weights = counts[points.surface] ** -config.foreground
    chosen = torch.multinomial(
        weights, config.points, len(weights) < config.points, generator=dice.generator
    )
    return points[chosen]
