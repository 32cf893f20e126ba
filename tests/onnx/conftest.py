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

COTRACKER = {
    **{"encoder_mixed": 8, "channels": 8, "radius": 1, "match_hidden": 8, "match_out": 8},
    **{"width": 16, "heads": 2, "depth": 1, "virtual_tracks": 4, "iterations": 2},
}
TAPTR = {
    **{"widths": (8, 8, 8), "width": 32, "heads": 2, "samples": 2, "hidden": 32},
    **{"encoder_layers": 1, "decoder_layers": 2},
}
SMALL = {
    "cotracker3-online": {**COTRACKER, "encoder_widths": (8,), "levels": 1},
    "motes-s": {**COTRACKER, "encoder_widths": (8, 8), "side": 64},
    "taptr": TAPTR,  # full attention, cost volume
    "taptrv2-s": {**TAPTR, "proxies": 4},
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
    config = replace(preset.config, **SMALL[name])
    preset = replace(preset, config=config)
    torch.manual_seed(0)
    model = preset.build(config).eval()
    for head, std in last_layers(model):
        torch.nn.init.normal_(head.weight, std=std)  # so that points move
    kept = request.config.cache.mkdir("onnx")
    folder = kept / f"{name}-{code_digest()}"
    with FileLock(kept / f"{name}.lock"):  # one worker exports, the others wait
        if not folder.exists():
            for old in kept.glob(f"{name}-*"):
                rmtree(old)
            export_model(model, preset, folder)
    return model, preset, folder


def last_layers(model):
    """Of position and visibility, and how large their weights are."""
    if hasattr(model, "motion"):
        return [(model.motion, 0.1), (model.scoring, 0.1)]
    return [(mlp[-1], 0.04) for mlp in model.decoder.positions]  # differences grow with each window


def code_digest():
    """Of all that graphs are made of."""
    import onnxscript

    digest = hashlib.sha256(f"{torch.__version__} {onnxscript.__version__}".encode())
    root = Path(motes.__file__).parent
    files = [p for room in ("features", "models", "onnx") for p in (root / room).glob("*.py")]
    for file in sorted([*files, Path(__file__)]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
