"""Small models and their graphs, exported once for all workers, and again when the code changes."""

import hashlib
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
import torch
from filelock import FileLock

import motes
from motes.tracking.load import presets

SHARED = {
    **{"encoder_mixed": 8, "channels": 8, "radius": 1, "match_hidden": 8, "match_out": 8},
    **{"width": 16, "heads": 2, "depth": 1, "virtual_tracks": 4, "iterations": 2},
}
SMALL = {
    "cotracker3-online": {"encoder_widths": (8,), "levels": 1},
    "motes-s": {"encoder_widths": (8, 8), "side": 64},
}
"""An export takes 10 and 30 s of processor time, whatever the widths; it is its operations that count."""


@pytest.fixture(scope="session", params=SMALL)
def exported(request):
    """A small model, its preset, and the folder with its graphs."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from motes.onnx.export import export_model

    name = request.param
    preset = presets()[name]
    config = replace(preset.config, **SHARED, **SMALL[name])
    preset = replace(preset, config=config)
    torch.manual_seed(0)
    model = preset.build(config).eval()
    for head in (model.motion, model.scoring):
        torch.nn.init.normal_(head.weight, std=0.1)  # so that points move
    kept = request.config.cache.mkdir("onnx")
    folder = kept / f"{name}-{code_digest()}"
    with FileLock(kept / f"{name}.lock"):  # one worker exports, the others wait
        if not folder.exists():
            for old in kept.glob(f"{name}-*"):
                rmtree(old)
            export_model(model, preset, folder)
    return model, preset, folder


def code_digest():
    """Of all that graphs are made of."""
    import onnxscript

    digest = hashlib.sha256(f"{torch.__version__} {onnxscript.__version__}".encode())
    root = Path(motes.__file__).parent
    files = [p for room in ("features", "models", "onnx") for p in (root / room).glob("*.py")]
    for file in sorted([*files, Path(__file__)]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
