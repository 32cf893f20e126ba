"""`Learner`: a model and its loss in one module, which every process runs on its batch."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from motes.common.registry import discover, suggest
from motes.data.sample import Sample
from motes.errors import FileError, InputError
from motes.models.base import PointModel
from motes.models.preset import Preset
from motes.models.weights import load_weights, read_tensors
from motes.train.config import LossConfig, ModelConfig
from motes.train.limits import check_model_sizes
from motes.train.losses import Losses, Target, matching_loss, point_losses
from motes.train.settings import amend
from motes.train.taptr_losses import taptr_losses


class Learner(nn.Module):
    """Tracks the points of a batch and returns the losses.

    Args:
        model: In training mode it returns traces for the losses.
        config: Kinds and weights of the losses.
        iterations: Refinements per window; None: the model's default.
        bf16: Whether the model may compute in bfloat16.  Fabric does not do this, because it would
            round the inputs, too: a position of 200 pixels by up to half a pixel.
    """

    def __init__(
        self, model: PointModel, config: LossConfig, iterations: int | None, bf16: bool = False
    ) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.iterations, self.bf16 = iterations, bf16

    def forward(
        self, video: Tensor, xy: Tensor, visible: Tensor, valid: Tensor, queries: Tensor
    ) -> Losses:
        """Run through all windows of a batch.

        Args:
            video: uint8 ``[B, T, 3, H, W]``.
            xy: float32 ``[B, T, N, 2]``, the truth in pixels of the video.
            visible: bool ``[B, T, N]``.
            valid: bool ``[B, T, N]``, where the truth is known.
            queries: float32 ``[B, N, 3]`` (t, x, y).

        Returns:
            The weighted terms of the loss by name; the loss is their sum.
        """
        self.model.check(video, queries)
        online = self.model.schedule.window is not None
        target = Target.make(xy, visible, valid, queries, online)
        with torch.autocast(video.device.type, torch.bfloat16, enabled=self.bf16):
            features = self.model.encode(video.float() / 255)
        terms: Losses = {}
        if self.config.matching or self.config.kind == "matching":
            finest = features.levels[0].float()
            error = matching_loss(finest, self.model.stride, queries, target)
            terms["matching"] = (self.config.matching or 1.0) * error
        if self.config.kind == "matching":
            return terms
        with torch.autocast(video.device.type, torch.bfloat16, enabled=self.bf16):
            prediction = self.model.track(features, queries, self.iterations)
        if self.config.kind == "taptr":
            return {**terms, **taptr_losses(prediction, Sample(video, xy, visible, valid), queries)}
        return {**terms, **point_losses(prediction.aux, target, self.config)}


def find_preset(name: str) -> Preset:
    """A preset of the registry that can be trained.

    Raises:
        InputError: There is none of this name; the nearest is suggested.
    """
    presets = {preset.name: preset for preset in discover("motes.models", Preset)}
    if name not in presets:
        raise suggest(name, presets, "model")
    return presets[name]


def build_model(preset: Preset, config: ModelConfig) -> PointModel:
    """The model to train: the preset, with the recipe's changes, weights and frozen parts.

    Raises:
        InputError: The recipe names a field or a parameter that the model does not have.
        FileError: The weights cannot be read.
    """
    if config.config:
        preset = replace(preset, config=amend(preset.config, config.config, "model.config"))
        check_model_sizes(preset.config)
    try:
        model = load_weights(preset, config.weights) if config.weights else _new(preset)
    except (FileError, InputError):
        raise
    except Exception as error:  # sizes that do not fit each other
        raise _unfit(error) from error
    for name, file in config.parts.items():
        load_part(model, name, Path(file))
    for prefix in config.frozen:
        freeze(model, prefix)
    return model


def _new(preset: Preset) -> PointModel:
    return preset.build(preset.config)


@torch.no_grad()
def try_model(model: PointModel, size: tuple[int, int], frames: int) -> None:
    """Track one point through black frames, to check that the sizes of a model fit each other.

    Args:
        model: The model; its parameters and the random state are not changed.
        size: Height and width of the frames.
        frames: Number of frames.

    Raises:
        InputError: The sizes do not fit.
    """
    video, query = torch.zeros(1, frames, 3, *size), torch.tensor([[[0.0, 1.0, 1.0]]])
    was_training = model.training
    try:
        with torch.random.fork_rng(devices=[]):
            model.eval()(video, query, None if model.iterations is None else 1)
    except InputError:
        raise
    except Exception as error:
        raise _unfit(error) from error
    finally:
        model.train(was_training)


def _unfit(error: Exception) -> InputError:
    line = (str(error).splitlines() or [""])[0][:200]
    return InputError(f"model.config: no model of these sizes works ({line})")


def load_part(model: nn.Module, name: str, file: Path) -> None:
    """Load one part of a model from a file.

    The file may hold only that part, such as a backbone of a classifier, or a whole model.  Other
    tensors in it are ignored.

    Raises:
        InputError: The model has no such part, or the file lacks some of its tensors.
        FileError: The file cannot be read.
    """
    known = dict(model.named_children())
    if name not in known:
        raise suggest(name, known, "part of the model")
    tensors, expected = read_tensors(file), known[name].state_dict()
    prefix, length = f"{name}.", len(name) + 1
    tensors = {k[length:] if k.startswith(prefix) else k: v for k, v in tensors.items()}
    missing = [key for key in expected if key not in tensors]
    if missing:
        raise InputError(f"{file}: expected all tensors of {name!r}; missing {missing[0]!r}")
    try:
        known[name].load_state_dict({key: tensors[key] for key in expected})
    except RuntimeError as error:
        raise InputError(f"{file}: does not fit {name!r} ({error})") from error


def freeze(model: nn.Module, prefix: str) -> None:
    """Exclude parameters whose names start with `prefix` from training.

    Raises:
        InputError: There are no such parameters.
    """
    named = [value for name, value in model.named_parameters() if name.startswith(prefix)]
    if not named:
        raise InputError(f"model.frozen: no parameter starts with {prefix!r}")
    for value in named:
        value.requires_grad_(False)


def optimizer_groups(
    model: nn.Module, lr: float, slow: dict[str, float]
) -> list[dict[str, object]]:
    """Parameter groups with their largest learning rate ``peak``.

    Args:
        model: The model; frozen parameters are in no group.
        lr: Largest learning rate of parameters that are not in `slow`.
        slow: Multiples of `lr` for parameters whose names start with a key.

    Raises:
        InputError: A key of `slow` matches nothing.
    """
    groups: dict[str, list[Tensor]] = {prefix: [] for prefix in ("", *slow)}
    for name, value in model.named_parameters():
        if value.requires_grad:
            prefix = max((p for p in groups if name.startswith(p)), key=len)
            groups[prefix].append(value)
    empty = [prefix for prefix in slow if not groups[prefix]]
    if empty:
        raise InputError(f"train.slow: no trained parameter starts with {empty[0]!r}")
    scale = {"": 1.0, **slow}
    return [
        {"params": values, "peak": lr * scale[prefix], "lr": lr * scale[prefix]}
        for prefix, values in groups.items()
        if values
    ]


def one_cycle(step: float, steps: int, warmup: float, decay: str, floor: float = 4e-6) -> float:
    """The learning rate at a step, as a share of the largest (Smith & Topin, 2018).

    It depends only on the step, so a resumed run needs no state of a scheduler.

    Args:
        step: Number of the step, from 0; a run with a time limit passes a share of its steps.
        steps: Length of the run.
        warmup: Share of the steps in which it rises from 1/25.
        decay: ``cosine`` or ``linear`` ends at `floor`; ``steps`` is a tenth from two thirds of the
            run on and a hundredth from 13/15 on (TAPTR).
        floor: Learning rate at the end, as a share of the largest.
    """
    peak = warmup * steps
    if step < peak:
        return _blend(1 / 25, 1.0, step / peak, decay)
    if decay == "steps":
        return 0.1 ** ((step >= steps * 2 / 3) + (step >= steps * 13 / 15))
    return _blend(1.0, floor, min(1.0, (step - peak) / max(steps - peak, 1)), decay)


def _blend(a: float, b: float, share: float, shape: str) -> float:
    if shape == "cosine":
        share = (1 - math.cos(math.pi * share)) / 2
    return a + (b - a) * share
