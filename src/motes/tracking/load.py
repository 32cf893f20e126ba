"""`load`: from the name of a model to a `Tracker`."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from shutil import which
from typing import Any, overload

import torch

from motes.common.registry import discover, suggest
from motes.errors import InputError
from motes.models.base import PointModel
from motes.models.preset import Preset
from motes.tracking.memory import parse_bytes
from motes.tracking.number_types import AUTO, DTYPES, NUMBER_TYPES, choose_dtype
from motes.tracking.official import OfficialTracker
from motes.tracking.tracker import Tracker

DEFAULT_MODEL = "motes-s"
RUNTIMES = ("torch", "onnx")


def presets() -> dict[str, Preset]:
    """Every model that can be named, by its name.

    Example:
        >>> from motes.tracking.load import presets
        >>> "lk" in presets()
        True
    """
    return {p.name: p for p in discover("motes.models", Preset)}


@overload
def load(
    name: str = ...,
    *,
    weights: str | PathLike[str] | None = ...,
    device: str | None = ...,
    dtype: str = ...,
    compat: None = ...,
    memory: str | int | None = ...,
    compile: bool = ...,
    runtime: str = ...,
) -> Tracker: ...


@overload
def load(
    name: str = ...,
    *,
    weights: str | PathLike[str] | None = ...,
    device: str | None = ...,
    dtype: str = ...,
    compat: str,
    memory: str | int | None = ...,
    compile: bool = ...,
    runtime: str = ...,
) -> OfficialTracker: ...


def load(
    name: str = DEFAULT_MODEL,
    *,
    weights: str | PathLike[str] | None = None,
    device: str | None = None,
    dtype: str = AUTO,
    compat: str | None = None,
    memory: str | int | None = None,
    compile: bool = False,
    runtime: str = "torch",
) -> Tracker | OfficialTracker:
    """Load a model by its name, ready to track.

    Args:
        name: See ``motes models``.
        weights: A checkpoint file (official ``.pth`` or our safetensors).  By default the weights
            in the package, or those that ``motes fetch NAME`` stored.
        device: Such as ``"cpu"`` or ``"cuda:1"``; by default a GPU if there is one.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``: the number type of features and
            attention.  Coordinates are always float32.  ``"auto"``: bfloat16 for the models that it
            makes faster and moves by less than 0.1 pixels (docs/howto/number-types.md), on
            processors and GPUs that have it; float32 otherwise, and with `compat` or ONNX.
        compat: ``"official"``, ``"official-online"`` or ``"official-eval"``: track as the published
            predictor does, number for number, with an `OfficialTracker`, which has no sessions and
            no streams (see `motes.tracking.official`).
        memory: Bytes that tracking may take, also as ``"2G"``; by default a share of what is free.
            More points than fit are tracked in parts.
        compile: Whether what every iteration runs is compiled first (`torch.compile`; on CUDA into
            a CUDA graph).  It takes up to a minute, again for other numbers of points, and needs a
            C++ compiler on a CPU, where it pays for small models in bfloat16 (docs/cotracker.md).
        runtime: ``"torch"``, or ``"onnx"``: the networks run in ONNX Runtime, on the CPU in
            float32 (see docs/howto/onnx.md for the models).  `weights` is then a folder that
            ``motes export-model NAME -o FOLDER`` wrote; without it, the installed weights are
            exported into the user's cache, once, which takes a minute.

    Returns:
        The tracker.

    Raises:
        InputError: Unknown name (the message suggests the nearest), device, number type or runtime,
            weights that do not fit, or nothing to compile, or no compiler.
        FileError: The weights cannot be read.
        MissingExtraError: The runtime is not installed.

    Example:
        >>> tracker = motes.load("lk")
        >>> tracker.track("bike.mp4", [(0, 30, 20)]).xy.shape
        (1, 12, 2)
        >>> weights = "scaled_offline.pth"
        >>> motes.load("cotracker3-offline", weights=weights, device="cuda")  # doctest: +SKIP
        Tracker('cotracker3-offline', device='cuda:0', dtype=torch.float32)
    """
    check_names(name, dtype, runtime)
    known = presets()
    if runtime == "onnx":
        _check_onnx(device=device or "cpu", dtype=dtype, compile=compile)
    chosen = _device("cpu" if runtime == "onnx" else device)
    model = _model(known[name], weights, runtime).to(chosen).eval()
    if compile:
        compile_model(model, name, chosen)
    if compat is None:
        limit = None if memory is None else parse_bytes(memory)
        return Tracker(model, known[name], _number_type(dtype, known[name], chosen, runtime), limit)
    return OfficialTracker(model, known[name], DTYPES.get(dtype, torch.float32), compat)


def check_names(model: str, dtype: str = AUTO, runtime: str = "torch") -> None:
    """Check names without loading anything, such as before a list of videos is tracked.

    Raises:
        InputError: Unknown model, number type or runtime; the message suggests the nearest.

    Example:
        >>> from motes.tracking.load import check_names
        >>> check_names("lk", "bfloat16")
    """
    if model not in (known := presets()):
        raise suggest(model, known, "model")
    if dtype not in NUMBER_TYPES:
        raise suggest(dtype, NUMBER_TYPES, "dtype")
    if runtime not in RUNTIMES:
        raise suggest(runtime, RUNTIMES, "runtime")


def _check_onnx(**options: str | bool) -> None:
    """Raise `InputError` for what exported graphs cannot do."""
    possible = {"device": ("cpu",), "dtype": ("float32", AUTO), "compile": (False,)}
    for name, value in options.items():
        if value not in possible[name]:
            expected = f"{possible[name][0]} because runtime is 'onnx'"
            raise InputError(f"{name}: expected {expected}, got {value}")


def _number_type(dtype: str, preset: Preset, device: torch.device, runtime: str) -> torch.dtype:
    if dtype != AUTO:
        return DTYPES[dtype]
    return torch.float32 if runtime == "onnx" else choose_dtype(preset, device)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise InputError(
            f"device: expected one that torch can use, got {name!r} ({reason})"
        ) from None


def compile_model(model: PointModel, name: str, device: torch.device) -> None:
    """Have what is iterated compiled when it first runs; see `load`."""
    if not model.iterated:
        raise InputError(f"compile: expected a model that iterates a transformer, got {name}")
    from torch._inductor import config

    compiler = config.cpp.cxx[-1]  # what torch will call
    if device.type == "cpu" and which(compiler) is None:
        raise InputError(f"compile: expected a C++ compiler, found no {compiler}")
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    for module in model.iterated:  # as Module.compile does
        compiled = torch.compile(module._call_impl, mode=mode)
        module._compiled_call_impl = _with_one_line(compiled)


def _with_one_line(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, with one line instead of torch's traceback when it cannot be compiled."""
    from torch._dynamo.exc import TorchDynamoException

    def compiled(*inputs: Any, **options: Any) -> Any:
        try:
            return call(*inputs, **options)
        except TorchDynamoException as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise InputError(
                f"compile: torch cannot compile this model here ({lines[0]}); leave it out"
            ) from None

    return compiled


def _model(preset: Preset, weights: str | PathLike[str] | None, runtime: str) -> PointModel:
    if runtime == "onnx":
        from motes.onnx.runtime import load_exported, load_installed

        return load_installed(preset) if weights is None else load_exported(preset, weights)
    if preset.weights is None:
        if weights is not None:
            raise InputError(f"weights: expected none, because {preset.name} has none to load")
        return preset.build(preset.config)
    from motes.models.weights import load_weights

    return load_weights(preset, weights)
