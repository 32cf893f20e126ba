"""Weights: loading, saving, and fetching into the cache.

Official checkpoints (``.pth``) are opened without running any code in them; their keys are renamed
by a pure function beside the model.  Our files are safetensors with the names of the module.  In
both cases a missing or an unknown key is an error.
"""

from __future__ import annotations

import os
import pickle
import urllib.request
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motes.common.files import replacing
from motes.common.headroom import check_archive_memory
from motes.common.packing import is_expanded
from motes.common.registry import discover
from motes.errors import FileError, InputError, MissingExtraError, MotesError
from motes.models.base import PointModel
from motes.models.download import check_digest, download
from motes.models.preset import Preset, WeightsInfo

ENTRIES = ("ema_model", "model")
"""Keys under which training frameworks store the tensors; the averaged ones come first."""


def load_weights(preset: Preset, path: str | PathLike[str] | None = None) -> PointModel:
    """Build the model of a preset with its weights.

    Args:
        preset: Which model.
        path: A checkpoint, ``.pth`` with official names or ``.safetensors`` with ours; None: the
            weights in the package or those that `fetch` stored.

    Returns:
        The model, float32, on the CPU.

    Raises:
        FileError: The file is missing, truncated, or holds something else than tensors.
        InputError: The tensors do not fit the model; the message names the first that does not.

    Example:
        >>> from motes.models.weights import load_weights
        >>> from motes.tracking.load import presets
        >>> model = load_weights(presets()["motes-s"])
        >>> type(model).__name__
        'MotesS'
    """
    file = installed(preset) if path is None else Path(path).expanduser()
    tensors = read_tensors(file)
    try:
        return _fitted(preset, tensors, file)
    except MotesError:
        raise
    except Exception as error:  # unexpected shapes can fail anywhere
        raise InputError(f"{file}: does not fit {preset.name} ({_brief(error)})") from error


def _fitted(preset: Preset, tensors: dict[str, Tensor], file: Path) -> PointModel:
    """The model with these tensors."""
    config = _with_settings(_configure(preset, tensors, file), file)
    renamed = tensors if file.suffix == ".safetensors" else _renamed(preset, tensors)
    model = preset.build(config)
    if problem := _difference(model, renamed):
        raise InputError(f"{file}: does not fit {preset.name}: {problem}{_hint(tensors)}")
    model.load_state_dict(renamed)
    return model


def save_weights(model: PointModel, path: str | PathLike[str]) -> None:
    """Write the weights of a model in half precision, as safetensors.

    Raises:
        FileError: The file cannot be written.

    Example:
        >>> from motes.models.weights import save_weights
        >>> save_weights(motes.load("motes-s").model, "copy.safetensors")
    """
    from safetensors.torch import save

    tensors = {name: v.detach().half().contiguous() for name, v in model.state_dict().items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, dict(model.settings) or None))


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read the names and tensors of a checkpoint, without the containers of training frameworks.

    Raises:
        FileError: The file is missing, truncated, or holds something else than tensors.

    Example:
        >>> from motes.models.weights import installed, read_tensors
        >>> from motes.tracking.load import presets
        >>> tensors = read_tensors(installed(presets()["motes-s"]))
        >>> tensors["motion.weight"].shape
        torch.Size([2, 128])
    """
    if not file.is_file():
        raise FileError(f"{file}: no such file")
    try:
        content = _read(file)
    except InputError as error:
        raise FileError(f"{file}: {error}") from None
    except pickle.UnpicklingError as error:
        raise FileError(f"{file}: {_unpickling_problem(error)}") from None
    except Exception as error:
        raise FileError(f"{file}: not a checkpoint, or damaged ({_brief(error)})") from None
    if isinstance(content, Mapping):
        wrapped = (content.get(entry) for entry in ENTRIES)
        content = next((inner for inner in wrapped if isinstance(inner, Mapping)), content)
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise FileError(f"{file}: expected named tensors, got {type(content).__name__}")
    for key, value in content.items():
        if is_expanded(value):
            raise FileError(f"{file}: {key!r}: expected a tensor with all its numbers in the file")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _brief(error: Exception) -> str:
    """The first sentence of an error message."""
    line = (str(getattr(error, "reason", error)).splitlines() or [""])[0]
    return line.split(". ")[0] if " " in line else type(error).__name__


def _unpickling_problem(error: pickle.UnpicklingError) -> str:
    """The reason: the pickle wants to run code, or the file is not a pickle."""
    if "Unsupported" in str(error) or "GLOBAL" in str(error):
        return "refused, because it holds code or objects, not only tensors"
    return "not a checkpoint, or damaged"


def _read(file: Path) -> object:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    check_archive_memory(file)
    with torch.serialization.safe_globals([Namespace]):  # TAPTR's files also hold their settings
        return torch.load(file, map_location="cpu", weights_only=True)


def _configure(preset: Preset, tensors: Mapping[str, Tensor], file: Path) -> object:
    """The configuration, fitted to the checkpoint."""
    if preset.configure is None:
        return preset.config
    try:
        return preset.configure(preset.config, tensors)
    except InputError as error:
        raise InputError(f"{file}: does not fit {preset.name}: {error}") from None


def _with_settings(config: Any, file: Path) -> Any:
    """The configuration, with the fields of which only the file knows the value."""
    if file.suffix != ".safetensors":
        return config
    from safetensors import safe_open

    with safe_open(file, "pt") as content:
        found = content.metadata() or {}
    unknown = {name for name in found if getattr(config, name, "") is None}
    return replace(config, **{name: found[name] for name in unknown}) if unknown else config


def _renamed(preset: Preset, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return preset.rename(tensors) if preset.rename else dict(tensors)


def _difference(model: PointModel, tensors: Mapping[str, Tensor]) -> str | None:
    """The first difference between the tensors and those of the model; None if they fit."""
    expected = model.state_dict()
    for name, value in expected.items():
        if name not in tensors:
            return f"missing {name!r}"
        if tensors[name].shape != value.shape:
            wanted, got = list(value.shape), list(tensors[name].shape)
            return f"{name!r}: expected shape {wanted}, got {got}"
    extra = next((name for name in tensors if name not in expected), None)
    return None if extra is None else f"unexpected {extra!r}"


def _hint(tensors: Mapping[str, Tensor]) -> str:
    """Names another model that the checkpoint fits, if there is one."""
    for preset in discover("motes.models", Preset):
        try:
            config = _configure(preset, tensors, Path())
            with torch.device("meta"):
                model = preset.build(config)
            if not _difference(model, _renamed(preset, tensors)):
                return f" (it fits {preset.name})"
        except Exception:  # sizes of another model can fail anywhere
            continue
    return ""


def installed(preset: Preset) -> Path:
    """Path of the weights of a preset on this machine.

    Raises:
        InputError: They are not installed; the message explains how to get them.

    Example:
        >>> from motes.models.weights import installed
        >>> from motes.tracking.load import presets
        >>> installed(presets()["motes-s"]).name
        'motes-s.safetensors'
    """
    info = _info(preset)
    if info.embedded:
        path = Path(str(files("motes.assets").joinpath(info.filename)))
    else:
        path = cache_folder() / info.filename
    if path.is_file():
        return path
    if info.embedded:
        raise InputError(f"{preset.name}: this installation has no weights; give a file of weights")
    raise InputError(f"{preset.name}: weights are not installed; {how_to_get(preset)}")


def cache_folder() -> Path:
    """Folder of fetched weights: ``$MOTES_CACHE``, or the user's cache folder.

    Example:
        >>> from motes.models.weights import cache_folder
        >>> cache_folder()  # doctest: +SKIP
        PosixPath('/home/me/.cache/motes')
    """
    if chosen := os.environ.get("MOTES_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "motes"


def fetch(preset: Preset) -> Path:
    """Download the official weights of a preset into the cache, unless they are there.

    Args:
        preset: Which model.

    Returns:
        The file.

    Raises:
        InputError: The preset has no weights to fetch.
        MissingExtraError: The file is on the Hugging Face hub, and `huggingface_hub` is missing.
        FileError: There is no network, the file is not the expected one, or the cache cannot be
            written; the message says where to get the file and where to put it by hand.

    Example:
        >>> from motes.models.weights import fetch
        >>> from motes.tracking.load import presets
        >>> fetch(presets()["cotracker3-online"])  # doctest: +SKIP
    """
    info = _info(preset)
    if info.embedded:
        return installed(preset)
    target = cache_folder() / info.filename
    if target.is_file():
        return target
    if address(info) is None:
        raise InputError(f"{preset.name}: {how_to_get(preset)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(info, target)
    except MissingExtraError:
        raise
    except Exception as error:
        raise FileError(
            f"cannot fetch {preset.name}: {_brief(error)}; "
            f"to do it by hand, get {address(info)} and put it at {target}"
        ) from None
    return target


def address(info: WeightsInfo) -> str | None:
    """Address from which weights are downloaded; None if they have no fixed address.

    Example:
        >>> from motes.models.weights import address
        >>> from motes.models.preset import WeightsInfo
        >>> address(WeightsInfo("Apache-2.0", "a.pth", url="https://example.org/a.pth"))
        'https://example.org/a.pth'
    """
    if info.url or info.repo is None:
        return info.url
    return f"https://huggingface.co/{info.repo}/resolve/main/{info.filename}"


def how_to_get(preset: Preset) -> str:
    """Instructions for weights that are not in the package, with their licence.

    Example:
        >>> from motes.models.weights import how_to_get
        >>> from motes.tracking.load import presets
        >>> "motes fetch cotracker3-online" in how_to_get(presets()["cotracker3-online"])
        True
    """
    info = _info(preset)
    if address(info) is not None:
        return f"run `motes fetch {preset.name}` ({info.licence}), or give a file of weights"
    return (
        f"its weights cannot be fetched, because they have no fixed address ({info.licence}): "
        f"get them from {info.page or 'its authors'} and put them at "
        f"{cache_folder() / info.filename}, or give a file of weights"
    )


def _download(info: WeightsInfo, target: Path) -> None:
    source = address(info) or ""
    if not info.repo:
        download(source, target, sha256=info.sha256)
        return
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError("Fetching from the Hugging Face hub", "fetch")
    _check_reachable(source)
    from huggingface_hub import hf_hub_download

    stored = Path(hf_hub_download(info.repo, info.filename, local_dir=target.parent / "hub"))
    check_digest(stored, info.sha256, source)
    stored.replace(target)


def _check_reachable(url: str) -> None:
    """Without a network, raise at once, not after the retries of the hub."""
    request = urllib.request.Request(url, method="HEAD")
    with urllib.request.urlopen(request, timeout=20):
        pass


def _info(preset: Preset) -> WeightsInfo:
    if preset.weights is None:
        raise InputError(f"{preset.name}: needs no weights")
    return preset.weights
