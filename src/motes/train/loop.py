"""The training loop: setup -> main -> fit -> validate.

One file for one device and for many: with ``torchrun``, every process runs this on its share of the
samples, and gradients are averaged.  A step depends only on the recipe, the weights and the number
of the step, so a run resumes exactly.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from motes.common.files import locked, make_folder
from motes.common.interrupts import deferred_signals
from motes.common.processes import end_with_parent
from motes.errors import FileError, InputError, MissingExtraError
from motes.models.base import PointModel
from motes.models.preset import Preset
from motes.models.weights import save_weights
from motes.train.batches import Batch, Draws, Share, batches
from motes.train.checkpoint import load_checkpoint, save_checkpoint
from motes.train.choosing import ChoosingLearner
from motes.train.config import Recipe
from motes.train.ema import Average
from motes.train.learner import (
    Learner,
    build_model,
    find_preset,
    one_cycle,
    optimizer_groups,
    try_model,
)
from motes.train.metrics import Curves
from motes.train.record import write_record
from motes.train.sample_memory import check_sample_memory
from motes.train.settings import build
from motes.train.sources import build_sources
from motes.train.validate import Validation

log = logging.getLogger("motes.train")

LAST = "last.ckpt"
BEST = "best.safetensors"
MAX_BAD_STEPS = 50
"""Number of consecutive steps without a finite gradient after which a run ends with an error."""

OnStep = Callable[[int, Mapping[str, float]], None]


@dataclass
class Progress:
    """The numbers in a checkpoint, beside its tensors.

    Attributes:
        step: Number of finished steps.
        seconds: Time of all steps, without validation and checkpoints.
        skipped: Number of samples that could not be used, over all processes.
        bad: Number of consecutive steps whose gradient was not finite.
        unsaved: Number of checkpoints that could not be written.
        best: Largest average Jaccard of the validations, in percent.
        best_step: Its step.
        sums: Sums of the metrics over the last `count` steps, for the next line of the curve.
        count: Number of these steps.
    """

    step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    bad: int = 0
    unsaved: int = 0
    best: float = -1.0
    best_step: int = -1
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0


@dataclass
class Run:
    """All objects of a running training."""

    fabric: Any
    recipe: Recipe
    folder: Path
    preset: Preset
    model: PointModel
    learner: Any
    optimizer: Any
    average: Average
    draws: list[Draws]
    validation: Validation
    progress: Progress
    curves: Curves | None
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> Share:
        """The share of the samples of this process."""
        return Share(self.fabric.global_rank, self.fabric.world_size)


def train(
    recipe: Recipe, folder: Path, *, resume: bool = True, on_step: OnStep | None = None
) -> Path:
    """Train a model with a recipe.

    Args:
        recipe: Model, data, losses and schedule.
        folder: Folder of the checkpoint, the curve, the record and the weights.
        resume: Continue from the checkpoint in `folder`, if there is one.
        on_step: Called after every step with its number and the latest metrics.

    Returns:
        The file of the best averaged weights.

    Raises:
        InputError: The recipe does not fit the model or the data, or training diverged.
        FileError: Data or weights cannot be read, or results not written.
        MissingExtraError: Lightning Fabric or TensorBoard is not installed.

    Example:
        >>> from pathlib import Path
        >>> from motes.train.config import read_recipe
        >>> from motes.train.loop import train
        >>> train(read_recipe("recipe.toml"), Path("run"))  # doctest: +SKIP
    """
    fabric = setup()
    return main(fabric, recipe, folder, resume, on_step or (lambda step, metrics: None))


def train_parts(
    parts: Sequence[tuple[str, Recipe]],
    folder: Path,
    *,
    resume: bool = True,
    on_step: OnStep | None = None,
) -> Path:
    """Train the parts of a recipe, each from the best weights of the one before.

    Args:
        parts: Names and recipes; see `motes.train.config.read_parts`.
        folder: Each part gets a subfolder of its name; a single part without a name gets `folder`.
        resume: Continue from checkpoints; finished parts are not run again.
        on_step: Called after every step with its number, counted over all parts.

    Returns:
        The file of the best averaged weights of the last part.

    Raises:
        InputError: See `train`.
        FileError: See `train`.
        MissingExtraError: See `train`.

    Example:
        >>> from pathlib import Path
        >>> from motes.train.config import read_parts
        >>> from motes.train.loop import train_parts
        >>> train_parts(read_parts("recipe.toml"), Path("run"))  # doctest: +SKIP
    """
    best, before = folder / BEST, 0
    weights = None
    notify = on_step or (lambda step, metrics: None)
    for name, recipe in parts:
        subfolder = folder / name
        best = subfolder / BEST
        if weights is not None and recipe.model.weights is None:
            recipe = replace(recipe, model=replace(recipe.model, weights=str(weights)))
        if not (resume and _finished(subfolder, recipe)):

            def count_on(step: int, metrics: Mapping[str, float], before: int = before) -> None:
                notify(before + step, metrics)

            train(recipe, subfolder, resume=resume, on_step=count_on)
        weights, before = best, before + recipe.train.steps
    return best


def _finished(folder: Path, recipe: Recipe) -> bool:
    """Whether a run has done all its steps and written its weights."""
    if not ((folder / BEST).exists() and (folder / LAST).exists()):
        return False
    progress = load_checkpoint(folder / LAST)["progress"]
    enough = recipe.train.minutes and progress["seconds"] >= 60 * recipe.train.minutes
    return bool(enough) or progress["step"] >= recipe.train.steps


def setup() -> Any:
    """Find the devices and, under ``torchrun``, the other processes."""
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy
        from torch.utils.tensorboard import SummaryWriter  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Training", "train") from error
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        end_with_parent(os.getppid())  # torchrun, which does not outlive a SIGKILL
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    # a recipe may leave parts without a gradient: weights of losses can be 0
    strategy = DDPStrategy(find_unused_parameters=True) if world > 1 else "auto"
    fabric = Fabric(devices=local, num_nodes=world // local, strategy=strategy)
    fabric.launch()
    return fabric


def main(fabric: Any, recipe: Recipe, folder: Path, resume: bool, on_step: OnStep) -> Path:
    """Build everything, fit, and write the best weights."""
    with ExitStack() as resources:
        run = start(fabric, recipe, folder, resume, resources)
        with deferred_signals() as stop:
            fit(run, on_step, stop)
        if run.recipe.eval.every == 0 or run.progress.step % run.recipe.eval.every:
            validate(run)
        save(run)
    return folder / BEST


def start(fabric: Any, recipe: Recipe, folder: Path, resume: bool, resources: ExitStack) -> Run:
    """Build the model, its optimiser and the data, and load the last checkpoint.

    The folder of the run is locked until `resources` are closed.
    """
    check_sample_memory(recipe)
    torch.manual_seed(recipe.train.seed)
    preset = find_preset(recipe.model.name)
    sources = build_sources(recipe.data)
    draws = [Draws(sources, recipe.data, s, recipe.train.seed) for s in recipe.train.stages]
    model = build_model(preset, recipe.model)
    if recipe.model.config:
        try_model(model, recipe.train.stages[0].size, recipe.train.stages[0].frames)
    if recipe.train.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = optimizer_groups(model, recipe.train.lr, recipe.train.slow)
    betas, decay = recipe.train.betas, recipe.train.weight_decay
    optimizer = torch.optim.AdamW(groups, betas=betas, eps=1e-8, weight_decay=decay)
    bf16 = recipe.train.precision == "bf16-mixed"
    kind = ChoosingLearner if recipe.loss.kind == "motes-s" else Learner
    learner = kind(model, recipe.loss, recipe.model.iterations, bf16)
    learner, optimizer = fabric.setup(learner, optimizer)
    average = Average(model, recipe.train.ema)
    validation = Validation(recipe.eval, preset, draws[-1])
    make_folder(folder)
    if fabric.is_global_zero:
        resources.enter_context(locked(folder))
    progress = restore(folder / LAST, recipe, model, optimizer, average) if resume else Progress()
    curves = Curves(folder, progress.step) if fabric.is_global_zero else None
    if curves:
        resources.callback(curves.close)
    parts = (model, learner, optimizer, average, draws, validation, progress, curves)
    return Run(fabric, recipe, folder, preset, *parts)


def restore(
    path: Path, recipe: Recipe, model: PointModel, optimizer: Any, average: Average
) -> Progress:
    """Load a checkpoint, if there is one.

    A resumed run may have another schedule, other data and other losses, but not another model or
    other parameter groups of the optimiser.

    Raises:
        FileError: The checkpoint cannot be read.
        InputError: It belongs to another model.
    """
    if not path.exists():
        return Progress()
    content = load_checkpoint(path)
    settings = [{k: group[k] for k in ("peak", "weight_decay")} for group in optimizer.param_groups]
    try:
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        for group, values in zip(optimizer.param_groups, settings, strict=True):
            group.update(values)
        for name, value in content["ema_model"].items():
            average.weights[name].copy_(value)
        progress = build(Progress, content["progress"], "progress")
    except Exception as error:  # a file may hold anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: does not continue {recipe.model.name} ({reason})") from error
    log.info("continuing %s after step %d", path.parent, progress.step)
    return progress


def fit(run: Run, on_step: OnStep, stop: Callable[[], bool]) -> None:
    """Run the remaining steps, stage by stage.

    Raises:
        KeyboardInterrupt: After a signal; the checkpoint is written.
    """
    for draws, first, last, sample in remaining(run):
        passes = run.recipe.train.accumulate
        stream = batches(draws, sample, (last - first) * passes, run.share)
        for _ in range(first, last):
            began = time.perf_counter()
            metrics = optimise(run, list(islice(stream, passes)))
            count(run, metrics, time.perf_counter() - began)
            on_step(run.progress.step, metrics)
            between_steps(run)
            if stop():
                save(run)
                raise KeyboardInterrupt
            if time_share(run) >= 1:
                if run.progress.count:
                    write_curve(run)
                return


def time_share(run: Run) -> float:
    """The share of the run's minutes that has passed, equal in all processes; 0 without a limit."""
    minutes = run.recipe.train.minutes
    if not minutes:
        return 0.0
    return float(run.fabric.broadcast(run.progress.seconds)) / (60 * minutes)


def remaining(run: Run) -> Iterator[tuple[Draws, int, int, int]]:
    """Per unfinished stage: its draws, first and last step, and number of the first sample."""
    begin = sample = 0
    for draws in run.draws:
        per_step = draws.stage.batch * run.recipe.train.accumulate * run.share.world
        first = max(begin, run.progress.step)
        end = begin + draws.stage.steps
        if first < end:
            yield draws, first, end, sample + (first - begin) * per_step
        begin, sample = end, sample + draws.stage.steps * per_step


def optimise(run: Run, parts: list[Batch]) -> dict[str, float]:
    """One step of the optimiser on one or several batches; returns its metrics."""
    config = run.recipe.train
    torch.manual_seed(config.seed + 1_000_003 * run.progress.step + run.share.rank)  # for dropout
    step = time_share(run) * config.steps if config.minutes else run.progress.step
    factor = one_cycle(step, config.steps, config.warmup, config.decay, config.floor)
    for group in run.optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    run.learner.train()
    metrics: Counter[str] = Counter()
    for i, batch in enumerate(parts):
        with run.fabric.no_backward_sync(run.learner, enabled=i + 1 < len(parts)):
            metrics.update(backward(run, batch, 1 / len(parts)))
        for line in batch.skipped:
            log.warning("skipped: %s", line)
    skipped = sum(len(batch.skipped) for batch in parts)
    return {**metrics, "gradient": update(run), "skipped": float(skipped)}


def backward(run: Run, batch: Batch, share: float) -> dict[str, float]:
    """Add the gradient of a batch, times `share`; returns the terms of the loss."""
    batch = batch.to(run.fabric.device)
    s, optional = batch.sample, [v for v in (batch.candidates, batch.error) if v is not None]
    terms = run.learner(s.video, s.xy, s.visible, s.valid, batch.queries, *optional)
    loss = torch.stack(list(terms.values())).sum()
    run.fabric.backward(share * loss)
    return {name: share * term.item() for name, term in {"loss": loss, **terms}.items()}


def update(run: Run) -> float:
    """Update the weights if the gradient is finite; returns its norm.

    Raises:
        InputError: The gradient has not been finite for many steps.
    """
    clip = run.recipe.train.clip
    norm = run.fabric.clip_gradients(
        run.learner, run.optimizer, max_norm=clip, error_if_nonfinite=False
    ).item()
    finite = norm - norm == 0
    run.progress.bad = 0 if finite else run.progress.bad + 1
    if run.progress.bad >= MAX_BAD_STEPS:
        raise InputError(
            f"the gradient has not been finite for {MAX_BAD_STEPS} steps up to step "
            f"{run.progress.step}; a smaller train.lr may help"
        )
    if finite:
        run.optimizer.step()
        run.average.update(run.progress.step)
    run.optimizer.zero_grad(set_to_none=True)
    return norm


def count(run: Run, metrics: Mapping[str, float], seconds: float) -> None:
    """Add the metrics of a step to the sums for the next line of the curve."""
    progress = run.progress
    progress.step += 1
    progress.count += 1
    progress.seconds += seconds
    for name, value in {**metrics, "seconds": seconds}.items():
        progress.sums[name] = progress.sums.get(name, 0.0) + value


def between_steps(run: Run) -> None:
    """Write the curve, validate and save, whenever it is due."""
    config, step = run.recipe.train, run.progress.step
    if step % config.log_every == 0 or step == config.steps:
        write_curve(run)
    if run.recipe.eval.every and step % run.recipe.eval.every == 0:
        validate(run)
    minutes = (time.monotonic() - run.saved_at) / 60
    by_steps = config.save_every and step % config.save_every == 0
    if by_steps or (config.save_minutes and minutes >= config.save_minutes):
        save(run)


def write_curve(run: Run) -> None:
    """Write one line: means over all processes since the last line."""
    progress = run.progress
    names = sorted(progress.sums)
    sums = torch.tensor([progress.sums[name] for name in names], device=run.fabric.device)
    means = run.fabric.all_reduce(sums, reduce_op="mean") / progress.count
    row = dict(zip(names, means.tolist(), strict=True))
    progress.skipped += round(row.pop("skipped") * progress.count * run.share.world)
    seconds = row.pop("seconds")
    progress.sums, progress.count = {}, 0
    if run.curves:
        lr = run.optimizer.param_groups[0]["lr"]
        totals = {"skipped": progress.skipped, "minutes": progress.seconds / 60}
        speed = {"lr": lr, "steps_per_second": 1 / max(seconds, 1e-9)}
        run.curves.add("train", {"step": progress.step, **row, **speed, **totals})


def validate(run: Run) -> None:
    """Evaluate the averaged weights, and export them if they are the best so far."""
    with run.average.applied():
        sums = run.validation.measure(run.model, run.share, run.fabric.device)
    totals = run.fabric.all_reduce(sums.to(run.fabric.device), reduce_op="sum")
    scores = run.validation.scores(totals)
    progress = run.progress
    if not run.curves:
        return
    run.curves.add("eval", {"step": progress.step, **scores, "minutes": progress.seconds / 60})
    if scores["AJ"] >= progress.best:
        progress.best, progress.best_step = scores["AJ"], progress.step
        with run.average.applied():
            save_weights(run.model, run.folder / BEST)
    write_record(run.folder, run.recipe, run.model, asdict(progress), run.share.world)


def save(run: Run) -> None:
    """Write a checkpoint.  If the disk is full, the run goes on, and the old checkpoint stays."""
    run.saved_at = time.monotonic()
    if not run.fabric.is_global_zero:
        return
    content = {  # `motes.models.weights` reads the averaged weights by the name ema_model
        "model": run.model.state_dict(),
        "ema_model": run.average.weights,
        "optimizer": run.optimizer.state_dict(),
        "progress": asdict(run.progress),
        "recipe": run.recipe.to_dict(),
    }
    try:
        save_checkpoint(run.folder / LAST, content)
    except FileError as error:
        run.progress.unsaved += 1
        log.warning("%s; training goes on", error)
