"""Exported graphs give what the model gives, for other numbers of frames and points and other sizes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from motes.errors import FileError, InputError
from motes.models.cotracker3 import CoTracker3
from motes.tracking.load import load, presets
from motes.tracking.tracker import Tracker

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

PRESET = presets()["cotracker3-online"]
SMALL = replace(
    PRESET.config,
    encoder_widths=(8, 8, 8, 8),
    encoder_mixed=16,
    channels=8,
    levels=2,
    radius=1,
    match_hidden=16,
    match_out=8,
    width=32,
    heads=2,
    depth=1,
    virtual_tracks=4,
    iterations=2,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small CoTracker3 and the folder with its graphs."""
    from motes.onnx.export import export_model

    torch.manual_seed(0)
    model = CoTracker3(SMALL).eval()
    for head in (model.motion, model.scoring):
        torch.nn.init.normal_(head.weight, std=0.3)  # so that points move
    preset = replace(PRESET, config=SMALL)
    folder = tmp_path_factory.mktemp("exported") / "model"
    files = export_model(model, preset, folder)
    assert {f.name for f in files} >= {"config.json", "encoder.onnx", "patches.onnx", "update.onnx"}
    return model, preset, folder


@pytest.mark.parametrize(
    ("frames", "points", "size"), [(16, 3, (64, 80)), (30, 7, (96, 64)), (5, 1, (64, 64))]
)
def test_the_model_and_its_graphs_agree(exported, frames, points, size):
    from motes.onnx.runtime import load_exported

    model, preset, folder = exported
    twin = load_exported(preset, folder).eval()
    torch.manual_seed(frames)
    video = torch.rand(1, frames, 3, *size)
    queries = torch.rand(1, points, 3) * torch.tensor([frames - 1.0, size[1], size[0]])
    queries[..., 0] = queries[..., 0].floor()
    with torch.inference_mode():
        ours, theirs = model(video, queries), twin(video, queries)
    assert (ours.xy - queries[:, None, :, 1:]).abs().max() > 1  # it does something
    assert (ours.xy - theirs.xy).abs().max() < 1e-2
    assert (ours.visibility - theirs.visibility).abs().max() < 1e-3


def test_a_tracker_runs_on_the_graphs(exported):
    from motes.onnx.runtime import load_exported

    model, preset, folder = exported
    small = replace(preset, resize=replace(preset.resize, size=(64, 80)))
    video = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3)).astype(np.uint8)
    ours = Tracker(model, small).track(video, grid=3, backward=True)
    theirs = Tracker(load_exported(preset, folder), small).track(video, grid=3, backward=True)
    assert np.abs(ours.xy - theirs.xy).max() < 1e-2


def test_the_description(exported):
    facts = json.loads((exported[2] / "config.json").read_text())
    assert facts["model"] == "cotracker3-online"
    assert (facts["window"], facts["step"], facts["stride"]) == (16, 8, 4)
    assert facts["licence_of_weights"] == "CC-BY-NC-4.0"


def test_bad_input(exported, tmp_path):
    from motes.onnx.export import export_model

    flow = load("flow")
    with pytest.raises(InputError, match="expected a CoTracker3 to export, got flow"):
        export_model(flow.model, flow.preset, tmp_path / "out")
    with pytest.raises(InputError, match="unknown runtime 'tensorrt'"):
        load("cotracker3-online", runtime="tensorrt")
    with pytest.raises(InputError, match="expected a folder written by motes export-model"):
        load("cotracker3-online", runtime="onnx")
    with pytest.raises(FileError, match="expected a folder written by motes export-model"):
        load("cotracker3-online", runtime="onnx", weights=tmp_path)
    with pytest.raises(InputError, match="expected an exported cotracker3-offline, got"):
        load("cotracker3-offline", runtime="onnx", weights=exported[2])
