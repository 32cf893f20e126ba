"""`Recipe`: all settings of a training run, read from TOML, frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from motes.common.registry import suggest
from motes.errors import InputError
from motes.train.limits import LARGEST_SIZE, check_limits
from motes.train.settings import build, laid_over, override, read_toml

LOSSES = ("cotracker3", "cotracker2", "taptr", "matching", "motes-s")
PRECISIONS = ("32-true", "bf16-mixed")
DECAYS = ("cosine", "linear", "steps")
MAX_WORKERS = 512
MIN_WEIGHT = 1e-6
"""Smallest sum of the weights of all sources."""


@dataclass(frozen=True)
class ModelConfig:
    """The model to train.

    Attributes:
        name: Name of a preset.
        weights: File of initial weights; None: from scratch.
        parts: Files of initial weights of single parts, such as a pretrained ``backbone``.
        iterations: Refinements per window in training; None: the preset's.
        frozen: Parameters whose name starts with one of these are not trained.
        config: Changed fields of the preset's configuration, for ablations.
    """

    name: str
    weights: str | None = None
    parts: dict[str, str] = field(default_factory=dict)
    iterations: int | None = None
    frozen: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_limits("model", self, iterations=(1, 1000))


@dataclass(frozen=True)
class SourceConfig:
    """A source of samples.

    Attributes:
        kind: A key of `motes.train.sources.makers`.
        weight: Frequency of this source, relative to the others.
        path: Folder of the data set, for kinds that read one.
        device: Device on which clips are generated or teachers run; None: the GPU, if there is one
            and the training process itself prepares samples (``data.workers = 0``), else the CPU.
        options: Further settings of this kind, by name.
    """

    kind: str
    weight: float = 1.0
    path: str | None = None
    device: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_limits("data.sources", self, weight=(0, 1e6))


@dataclass(frozen=True)
class DataConfig:
    """Sources of samples, and how queries are chosen.

    Attributes:
        sources: The sources, mixed by weight.
        augment: Fields of `motes.data.augment.Augmentation`; absent: no augmentation.
        first_queries: Share of points whose query is in the frame where they are first visible; the
            others have it in a random visible frame (CoTracker3: 0.75 online, 0 offline).
        workers: Number of processes that prepare samples; 0: the training process itself.
        attempts: Number of consecutive unusable clips after which training stops.
    """

    sources: tuple[SourceConfig, ...]
    augment: dict[str, Any] | None = None
    first_queries: float = 0.75
    workers: int = 0
    attempts: int = 20

    def __post_init__(self) -> None:
        limits = {"first_queries": (0, 1), "workers": (0, MAX_WORKERS), "attempts": (1, 10_000)}
        check_limits("data", self, **limits)
        if self.sources and sum(source.weight for source in self.sources) < MIN_WEIGHT:
            raise InputError("data.sources: expected a positive weight, got none")


@dataclass(frozen=True)
class Stage:
    """A stage of training with samples of one shape; a curriculum is a list of stages.

    Attributes:
        steps: Number of optimiser steps.
        size: Height and width of the crops.
        frames: Frames per sample.
        longest: If set, each batch has a random number of frames from `frames` to `longest`.
        points: Points per sample.
        min_points: If set, each step has a random number of points from `min_points` to `points`;
            small numbers are drawn more often.
        batch: Samples per process and step.
    """

    steps: int
    size: tuple[int, int] = (256, 256)
    frames: int = 24
    points: int = 256
    batch: int = 1
    longest: int | None = None
    min_points: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "frames", "points", "batch"):
            _positive(f"stage: {name}", getattr(self, name))
        if not 1 <= min(self.size) <= max(self.size) <= LARGEST_SIZE:
            raise InputError(f"stage: size: expected a positive height and width, got {self.size}")
        if self.longest is not None and self.longest < self.frames:
            raise InputError(f"stage: longest {self.longest} is less than frames {self.frames}")
        if self.min_points is not None and not 1 <= self.min_points <= self.points:
            got = f"{self.min_points} of {self.points}"
            raise InputError(f"stage: min_points: expected 1 or more, up to points, got {got}")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; the defaults are those of CoTracker3 (arXiv 2410.11831).

    Attributes:
        kind: ``cotracker3``, ``cotracker2``, ``taptr`` or ``motes-s``; ``matching`` trains the
            encoder alone.
        gamma: The last refinement has weight 1, the one before it gamma, then gamma^2, ...
        visible: Weight of the position loss where the point is visible.
        occluded: The same where it is hidden.
        visibility: Weight of the visibility cross-entropy.
        confidence: Weight of the confidence cross-entropy.
        huber: Distance in pixels where the position loss turns from quadratic to linear.
        near: Target of the confidence: 1 within this distance of the truth in pixels, else 0.
        matching: Weight of `matching_loss` on the finest features, beside the losses of the paper.
        peaks: Weight of the cross-entropy of correlation windows (motes-s).
        choice: Weight of the cross-entropy of the choice among candidates (motes-s).
        softness: Distance in pixels at which the position loss turns logarithmic (motes-s).
        missing: Share of the candidates, without the first kind, that are dropped (motes-s).
        candidates: Kinds of candidates from which training chooses (motes-s); empty: all.
    """

    kind: str = "cotracker3"
    gamma: float = 0.8
    visible: float = 0.05
    occluded: float = 0.01
    visibility: float = 1.0
    confidence: float = 1.0
    huber: float = 6.0
    near: float = 12.0
    matching: float = 0.0
    peaks: float = 0.1
    choice: float = 0.1
    softness: float = 0.5
    missing: float = 0.1
    candidates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise suggest(self.kind, LOSSES, "loss")
        weights = ("visible", "occluded", "visibility", "confidence", "matching")
        check_limits("loss", self, **dict.fromkeys(weights, (0.0, 1e6)))
        check_limits("loss", self, gamma=(0, 1), huber=(1e-6, 1e6), near=(0, 1e6))


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the optimisation.

    Attributes:
        stages: The stages in order; the run has the sum of their steps.
        lr: Largest learning rate of the one-cycle schedule.
        slow: Learning rates of parameters by prefix, as multiples of `lr`.
        warmup: Share of all steps in which the rate rises from lr / 25 to lr.
        decay: Shape of the decay: ``cosine``, ``linear`` or ``steps``; see `one_cycle`.
        floor: Last learning rate of ``cosine`` and ``linear``, as a share of the largest.
        betas: Parameters of AdamW.
        weight_decay: Parameter of AdamW.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights.
        accumulate: Forward and backward passes per optimiser step.
        precision: ``32-true``, or ``bf16-mixed`` where the hardware has it.
        channels_last: Memory layout of the convolutions.
        seed: Seed of the run.
        log_every: Steps between two lines of the curve.
        save_every: Steps between two checkpoints; 0: only by time.
        save_minutes: Minutes between two checkpoints; 0: only by steps.
        minutes: Ends the run after this time; the learning rate then depends on the time, and the
            run does not repeat exactly.  0: no limit.
    """

    stages: tuple[Stage, ...]
    lr: float = 5e-4
    slow: dict[str, float] = field(default_factory=dict)
    warmup: float = 0.05
    decay: str = "cosine"
    floor: float = 4e-6
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 5e-4
    clip: float = 1.0
    ema: float = 0.999
    accumulate: int = 1
    precision: str = "32-true"
    channels_last: bool = True
    seed: int = 0
    log_every: int = 10
    save_every: int = 0
    save_minutes: float = 2.0
    minutes: float = 0.0

    def __post_init__(self) -> None:
        if not self.stages:
            raise InputError("train.stages: expected at least one stage, got none")
        if self.precision not in PRECISIONS:
            raise suggest(self.precision, PRECISIONS, "precision")
        if self.decay not in DECAYS:
            raise suggest(self.decay, DECAYS, "decay")
        _positive("train.accumulate", self.accumulate)
        _positive("train.lr", self.lr)
        _positive("train.clip", self.clip)
        check_limits("train", self, lr=(0, 1e30), warmup=(0, 1), weight_decay=(0, 1e6), ema=(0, 1))
        check_limits("train", self, seed=(0, 2**62), log_every=(1, 2**62), save_every=(0, 2**62))
        check_limits("train", self, save_minutes=(0, 1e9))

    @property
    def steps(self) -> int:
        """Number of optimiser steps of the whole run."""
        return sum(stage.steps for stage in self.stages)


@dataclass(frozen=True)
class EvalConfig:
    """Validation during training: all points of a clip together, which is cheap.

    Attributes:
        every: Steps between two validations; 0: only at the end.
        clips: Folder of validation clips; None: clips of the recipe's own sources.  Those of the
            synthetic engine, also rendered ones, are not used in training; those of folders are
            other parts of the training clips.
        number: Number of clips; 0: all.
        size: Height and width of the frames.
        frames: Largest number of frames of a clip.
        points: Largest number of points of a clip.
    """

    every: int = 0
    clips: str | None = None
    number: int = 8
    size: tuple[int, int] = (256, 256)
    frames: int = 48
    points: int = 64

    def __post_init__(self) -> None:
        whole = (0, 2**62)
        check_limits("eval", self, every=whole, number=whole, frames=(1, 2**62), points=(1, 2**62))
        if not 1 <= min(self.size) <= max(self.size) <= LARGEST_SIZE:
            raise InputError(f"eval.size: expected a positive height and width, got {self.size}")


@dataclass(frozen=True)
class Recipe:
    """A training run.  See `read_recipe` and the files in ``recipes/``."""

    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    loss: LossConfig = field(default_factory=LossConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in the TOML file; `from_dict` is the inverse."""
        return asdict(self)

    @staticmethod
    def from_dict(tree: Mapping[str, Any]) -> Recipe:
        """Make a recipe from plain values.

        Raises:
            InputError: A key is unknown or missing, or a value does not fit.
        """
        return build(Recipe, tree)


def read_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file.

    Args:
        path: A TOML file.
        overrides: ``"train.lr=3e-4"``, applied in order.

    Raises:
        FileError: The file cannot be read.
        InputError: It is not TOML, a key is unknown or missing, or a value does not fit.

    Example:
        >>> from motes.train.config import read_recipe
        >>> recipe = read_recipe("recipe.toml", ["train.lr=1e-4"])
        >>> recipe.model.name, recipe.train.lr
        ('cotracker3-online', 0.0001)
    """
    return build(Recipe, read_toml(Path(path), overrides))


def read_parts(path: str | Path, overrides: Iterable[str] = ()) -> list[tuple[str, Recipe]]:
    """Read a recipe of several parts, each of which starts from the weights of the one before.

    A part is an entry of ``[[parts]]`` with a ``name``; its values replace those of the file.

    Args:
        path: A TOML file; without parts it is a single recipe, named "".
        overrides: As for `read_recipe`; they replace values of the file and of all parts, or of
            one part (``"parts.0.train.lr=3e-4"``).

    Returns:
        Names and recipes, in order.

    Raises:
        FileError: See `read_recipe`.
        InputError: The same; or a part has no name.

    Example:
        >>> from motes.train.config import read_parts
        >>> [name for name, recipe in read_parts("recipe.toml")]
        ['']
    """
    own = [text for text in overrides if text.strip().startswith("parts.")]
    rest = [text for text in overrides if text not in own]
    tree = read_toml(Path(path), own)
    parts = tree.pop("parts", None)
    if parts is None:
        return [("", build(Recipe, override(tree, rest)))]
    for part in parts:
        if not isinstance(part.get("name"), str):
            raise InputError(f"{path}: [[parts]]: expected a name in each part")
    named = [(part.pop("name"), override(laid_over(tree, part), rest)) for part in parts]
    return [(name, build(Recipe, table)) for name, table in named]


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise InputError(f"{name}: expected a positive number, got {value}")
