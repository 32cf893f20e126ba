"""Exported graphs give what the model gives, for other numbers of frames and points and other sizes."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import motes
from motes.cli import run
from motes.errors import FileError, InputError
from motes.onnx.runtime import load_exported
from motes.tracking import load as loading
from motes.tracking.identity import tracker_facts
from motes.tracking.load import load
from motes.tracking.tracker import Tracker

GRAPHS = {
    "cotracker3": "encoder patches update",
    "motes": "encoder patches compare update",
    **dict.fromkeys(("taptr", "taptrv2"), "encoder content decoder carry"),
}
NAMED = (
    "expected one of cotracker3-baseline-offline, cotracker3-baseline-online, cotracker3-offline, "
    "cotracker3-online, motes-s, taptr, taptrv2, taptrv2-s; got "
)
DOCS = Path(__file__).parents[2] / "docs/howto/onnx.md"


def moving(frames, size):
    """A smooth texture that moves by a pixel a frame, ``[1, T, 3, H, W]``."""
    H, W = size
    texture = torch.rand(1, 3, H // 4, (W + frames) // 4)
    texture = F.interpolate(texture, (H, W + frames), mode="bicubic").clamp(0, 1)
    return torch.stack([texture[..., t : t + W] for t in range(frames)], 1)


@pytest.mark.parametrize(
    ("frames", "points", "size"), [(16, 3, (64, 80)), (30, 7, (96, 64)), (5, 1, (64, 64))]
)
def test_the_model_and_its_graphs_agree(exported, frames, points, size):
    model, preset, folder = exported
    twin = load_exported(preset, folder, threads=1)
    torch.manual_seed(frames)
    video = moving(frames, size)
    queries = torch.rand(1, points, 3) * torch.tensor([frames - 1.0, size[1], size[0]])
    queries[..., 0] = queries[..., 0].floor()
    with torch.inference_mode():
        ours, theirs = model(video, queries), twin(video, queries)
    assert (ours.xy - queries[:, None, :, 1:]).abs().max() > 1  # it does something
    assert (ours.xy - theirs.xy).abs().max() < 1e-2
    assert (ours.visibility - theirs.visibility).abs().max() < 1e-3
    if ours.confidence is not None:
        assert (ours.confidence - theirs.confidence).abs().max() < 1e-3


def test_a_tracker_runs_on_the_graphs(exported):
    model, preset, folder = exported
    small = replace(preset, resize=replace(preset.resize, size=(64, 80)))
    video = (255 * moving(20, (48, 64))[0]).byte().permute(0, 2, 3, 1).numpy()
    first, second = (Tracker(load_exported(preset, folder, 1), small) for _ in range(2))
    ours = Tracker(model, small).track(video, grid=3, backward=True)
    theirs = first.track(video, grid=3, backward=True)
    assert np.abs(ours.xy - theirs.xy).max() < 1e-2
    assert tracker_facts(first) == tracker_facts(second)  # a killed run can continue


def test_the_description_and_the_files(exported):
    model, preset, folder = exported
    facts = json.loads((folder / "config.json").read_text())
    assert facts["model"] == preset.name
    assert (facts["window"], facts["step"]) == (model.schedule.window, model.schedule.step)
    assert facts["licence_of_weights"] == preset.weights.licence
    graphs = {f.name for f in folder.iterdir() if f.name.endswith(".onnx")}
    assert graphs == {f"{name}.onnx" for name in GRAPHS[preset.name.split("-")[0]].split()}
    content = b"".join(f.read_bytes() for f in folder.iterdir())
    assert b"site-packages" not in content  # no paths of this machine


@pytest.mark.parametrize("frames", [5, 30])
def test_the_loop_of_the_docs_runs_without_torch(exported, tmp_path, frames):
    """In a process of its own, in which ``import torch`` fails."""
    model, preset, folder = exported
    if preset.name == "motes-s":
        pytest.skip("its candidates come from outside of the graphs")
    torch.manual_seed(frames)
    video, queries = moving(frames, (64, 80)), torch.tensor([[0, 20.0, 30.0], [0, 70.5, 40.25]])
    np.save(tmp_path / "frames.npy", video[0].numpy())
    loops = re.findall(r"```python\n(import json.*?)```", DOCS.read_text(), re.S)
    (tmp_path / "loop.py").write_text(loops["taptr" in preset.name])
    script = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from loop import track
frames, queries = np.load("frames.npy"), np.float32({queries[:, 1:].tolist()})
np.savez("found.npz", *track({str(folder)!r}, frames, queries))
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    with torch.inference_mode():
        expected = model(video, queries[None])
    xy, score = np.load(tmp_path / "found.npz").values()
    assert np.abs(xy - expected.xy[0].numpy()).max() < 1e-2
    assert np.abs(score - expected.score[0].numpy()).max() < 1e-3


def test_the_graphs_of_a_folder_run_without_torch(exported):
    script = f"""
import sys
sys.modules["torch"] = None
from pathlib import Path
import numpy as np
from motes.onnx.files import Graphs
levels = Graphs(Path({str(exported[2])!r}), ["encoder"], 1).run("encoder", [np.zeros((2, 3, 64, 64), np.float32)])
print(len(levels), len(levels[0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[1] == "2"


def test_what_cannot_be_exported(tmp_path):
    from motes.onnx.export import export_model

    flow, motes_s = load("flow"), load("motes-s")
    with pytest.raises(InputError, match=f"{NAMED}flow"):
        export_model(flow.model, flow.preset, tmp_path / "out")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match="expected a new or an empty folder, found files in it"):
        export_model(motes_s.model, motes_s.preset, tmp_path)
    with pytest.raises(FileError, match=r"cannot write .*: expected a folder, found a file"):
        export_model(motes_s.model, motes_s.preset, tmp_path / "notes.txt")
    with pytest.raises(FileError, match=r"expected an existing folder, .* is none"):
        export_model(motes_s.model, motes_s.preset, tmp_path / "no" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (None, r"expected a folder written by motes export-model, got: no config.json in it"),
        ("{", r"expected a folder written by motes export-model, got: Expecting"),
        (
            '{"model": "motes-s"}',
            r"expected exported files of version \d+, got None; write them ag",
        ),
        ('{"format": 1}', r"expected exported files of version \d+, got 1; write them again"),
        ("[]", r"expected exported files of version \d+, got None"),
        ('{"format": 2, "model": "cotracker3-online"}', "expected an exported motes-s, got 'cotr"),
        ('{"format": 2, "model": "motes-s"}', r"encoder.onnx.*: expected an ONNX graph, got: .*"),
    ],
)
def test_files_that_cannot_be_loaded(tmp_path, description, message):
    if description is not None:
        (tmp_path / "config.json").write_text(description)
    (tmp_path / "encoder.onnx").write_text("no graph")
    with pytest.raises((FileError, InputError), match=message) as caught:
        load("motes-s", runtime="onnx", weights=tmp_path)
    assert "\n" not in str(caught.value)


def test_runtimes_that_do_not_fit():
    with pytest.raises(InputError, match="unknown runtime 'tensorrt'"):
        load("motes-s", runtime="tensorrt")
    with pytest.raises(InputError, match=f"{NAMED}lk"):
        load("lk", runtime="onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "device: expected cpu because runtime is 'onnx', got cuda"),
        ({"dtype": "bfloat16"}, "dtype: expected float32 because runtime is 'onnx', got bfloat16"),
        ({"compile": True}, "compile: expected False because runtime is 'onnx', got True"),
    ],
)
def test_options_that_graphs_do_not_have(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        load("motes-s", runtime="onnx", weights=tmp_path, **options)


@pytest.mark.parametrize("missing", ["onnxruntime", "onnxscript"])
def test_a_missing_package_is_named(exported, monkeypatch, tmp_path, missing):
    from motes.errors import MissingExtraError
    from motes.onnx.export import export_model

    model, preset, folder = exported
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"motes\[onnx\]"):
        if missing == "onnxruntime":
            load_exported(preset, folder)
        else:
            export_model(model, preset, tmp_path / "out")


def test_without_a_folder_the_cache_is_used(exported, monkeypatch, tmp_path):
    """The first load exports the installed weights, the next one finds the files."""
    from motes.models.weights import save_weights

    model, preset, folder = exported
    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    weights = replace(preset.weights, embedded=False, filename="w.safetensors", sha256=None)
    preset = replace(preset, weights=weights, configure=None, rename=None)
    monkeypatch.setattr(loading, "presets", lambda: {preset.name: preset})
    save_weights(model, tmp_path / "w.safetensors")
    exports = []
    monkeypatch.setattr(
        "motes.onnx.runtime.export_model",
        lambda *given: exports.append(given) or shutil.copytree(folder, given[2]),
    )
    trackers = [load(preset.name, runtime="onnx") for _ in range(2)]
    assert len(exports) == 1
    stored = zip(exports[0][0].parameters(), model.parameters(), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in stored)  # as half
    assert tracker_facts(trackers[0]) == tracker_facts(trackers[1])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("export-model lk -o out", f"ONNX: {NAMED}lk"),
        ("export-model motes-s -o .", ".: expected a new or an empty folder, found files in it"),
        ("export-model motes -o out", "unknown model 'motes'"),
        ("track {demo} --runtime onnx --model lk -o a.csv", "got lk"),
        (
            "track {demo} --runtime onnx --weights . -o a.csv",
            "expected a folder written by motes exp",
        ),
        ("track {demo} --runtime tensorrt -o a.csv", "unknown runtime 'tensorrt'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, command, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    demo = Path(motes.__file__).parent / "assets" / "demo.mp4"
    assert run([word.format(demo=demo) for word in command.split()]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("motes: ") and err.count("\n") == 1
    assert message in err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
