"""Checkpoints: valid ones are loaded, all others are refused with one clear line."""

import hashlib
import os
import pickle
import urllib.error
import zipfile
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import CHANGES, apply, bounded
from motes.errors import FileError, InputError
from motes.models import cotracker, cotracker2, cotracker3, naming, weights
from motes.models.motes_s import MOTES_S, MotesSConfig
from motes.models.preset import Preset, WeightsInfo
from motes.models.weights import fetch, installed, load_weights, save_weights
from motes.tracking.load import presets

SMALL = {"encoder_widths": (4, 6, 8, 8), "encoder_mixed": 8, "channels": 10, "levels": 2}
SMALL |= {"radius": 1, "width": 16, "heads": 2, "depth": 1}
V3 = cotracker3.CoTracker3Config(**SMALL, match_hidden=8, match_out=6, virtual_tracks=4)
PRESETS = {
    "v1": Preset(
        "v1",
        "",
        cotracker.CoTracker,
        cotracker.CoTrackerConfig(**SMALL, frequencies=4),
        rename=cotracker.rename,
    ),
    "v2": Preset(
        "v2",
        "",
        cotracker2.CoTracker2,
        cotracker2.CoTracker2Config(**SMALL, frequencies=4, virtual_tracks=4),
        rename=cotracker2.rename,
        configure=cotracker2.configure,
    ),
    "v3": Preset(
        "v3",
        "",
        cotracker3.CoTracker3,
        V3,
        rename=cotracker3.rename,
        configure=cotracker3.configure,
    ),
}
OFFICIAL = {
    "encoder.stem": "fnet.conv1",
    "encoder.mix": "fnet.conv2",
    "encoder.out": "fnet.conv3",
    "encoder.stages.0": "fnet.layer1",
    "encoder.stages.1": "fnet.layer2",
    "encoder.stages.2": "fnet.layer3",
    "encoder.stages.3": "fnet.layer4",
    "shortcut": "downsample.0",
    "transformer.virtual_tracks": "updateformer.virual_tracks",
    "transformer.input": "updateformer.input_transform",
    "transformer.time": "updateformer.time_blocks",
    "transformer.space": "updateformer.space_blocks",
    "transformer.virtual.": "updateformer.space_virtual_blocks.",
    "transformer.gather": "updateformer.space_virtual2point_blocks",
    "transformer.spread": "updateformer.space_point2virtual_blocks",
    "match": "corr_mlp",
    "motion": "updateformer.flow_head",
    "update.": "updateformer.flow_head.",
    "refine.norm": "norm",
}
VISIBILITY = {"v1": "vis_predictor.0", "v2": "vis_predictor.0", "v3": "updateformer.vis_conf_head"}
UPDATER = {"v1": "ffeat_updater.0", "v2": "track_feat_updater.0", "v3": ""}


def official(name, model):
    """The state dict of a model under the official names."""
    state = {}
    for key, value in model.state_dict().items():
        for ours, theirs in OFFICIAL.items():
            key = key.replace(ours, theirs)
        key = key.replace("scoring", VISIBILITY[name]).replace("refine.linear", UPDATER[name])
        cross = name != "v1" and ("point2virtual" in key or "virtual2point" in key)
        key = key.replace("attention", "cross_attn" if cross else "attn")
        state[key.replace("attn.to_out", "attn.proj") if name == "v1" else key] = value
    if name == "v1":
        for key in [k for k in state if "to_q" in k]:
            fused = (state.pop(key), state.pop(key.replace("to_q", "to_kv")))
            state[key.replace("to_q", "qkv")] = torch.cat(fused)
    else:
        state["time_emb"] = model.times[None]
    return state


@pytest.fixture(params=PRESETS)
def made(request):
    """A preset, a model with weights, and the official state dict of these."""
    torch.manual_seed(1)
    preset = PRESETS[request.param]
    model = preset.build(preset.config)
    return preset, model, official(request.param, model)


def same(a, b):
    other = b.state_dict()
    return all(torch.equal(value, other[key]) for key, value in a.state_dict().items())


@pytest.mark.parametrize("wrap", ["plain", "model", "module"])
def test_official_checkpoints(made, wrap, tmp_path):
    preset, model, state = made
    if wrap == "module":
        state = {f"module.{key}": value for key, value in state.items()}
    torch.save({"model": state} if wrap == "model" else state, tmp_path / "official.pth")
    assert same(load_weights(preset, tmp_path / "official.pth"), model)


def test_our_own(made, tmp_path):
    preset, model, _ = made
    path = tmp_path / "own.safetensors"
    save_weights(model, path)
    assert path.stat().st_size < 2.2 * sum(p.numel() for p in model.parameters()) + 20_000
    found = load_weights(preset, path)
    assert all(p.dtype == torch.float32 for p in found.parameters())
    assert same(found, model.half().float())
    assert [p.name for p in tmp_path.iterdir()] == ["own.safetensors"]


def test_window_comes_from_the_checkpoint(tmp_path):
    preset = PRESETS["v2"]
    state = official("v2", preset.build(preset.config))
    state["time_emb"] = torch.zeros(1, 12, state["time_emb"].shape[2])
    torch.save(state, tmp_path / "long.pth")
    assert load_weights(preset, tmp_path / "long.pth").schedule.window == 12


def test_offline_is_not_online(tmp_path):
    preset = PRESETS["v3"]
    state = official("v3", preset.build(preset.config))
    state["time_emb"] = torch.zeros(1, 60, state["time_emb"].shape[2])
    torch.save(state, tmp_path / "offline.pth")
    with pytest.raises(InputError, match=r"offline.pth.*expected time_emb with 16 rows, got 60"):
        load_weights(preset, tmp_path / "offline.pth")


def test_renaming_is_pure():
    rename = naming.rename_with((r"^gone$", None), (r"^a\.", "b."))
    given = {"a.x": torch.zeros(1), "gone": torch.zeros(1), "fnet.conv1.bias": torch.zeros(1)}
    assert list(rename(given)) == ["b.x", "encoder.stem.bias"]
    assert list(given) == ["a.x", "gone", "fnet.conv1.bias"]


def drop(state):
    del state["fnet.conv2.bias"]


def add(state):
    state["fnet.conv9.bias"] = torch.zeros(1)


def reshape(state):
    state["fnet.conv2.bias"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop, r"missing 'encoder\.mix\.bias'"),
        (add, r"unexpected 'fnet\.conv9\.bias'"),
        (reshape, r"'encoder\.mix\.bias': expected shape \[8\], got \[3\]"),
    ],
)
def test_other_tensors(made, change, words, tmp_path):
    preset, _, state = made
    change(state)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=rf"other\.pth: does not fit {preset.name}: {words}"):
        load_weights(preset, tmp_path / "other.pth")


def test_a_tensor_that_repeats_its_numbers_is_refused(tmp_path):
    """It would become 222 GB."""
    preset = PRESETS["v2"]
    state = official("v2", preset.build(preset.config))
    state["time_emb"] = torch.zeros(1, 1, 1).expand(1, 10**9, state["time_emb"].shape[2])
    torch.save(state, tmp_path / "huge.pth")
    assert (tmp_path / "huge.pth").stat().st_size < 10**6
    with pytest.raises(FileError, match=r"huge\.pth: 'time_emb': expected a tensor with all"):
        load_weights(preset, tmp_path / "huge.pth")


def test_a_compressed_checkpoint_that_memory_cannot_hold_is_refused(tmp_path, monkeypatch):
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "small.pth", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    assert (tmp_path / "small.pth").stat().st_size < 10**5
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 10**6})())
    for name in ("small.pth", "plain.pth"):
        with pytest.raises(FileError, match=rf"{name}: unpacking this file needs 0\.0 GB"):
            load_weights(PRESETS["v3"], tmp_path / name)


@pytest.mark.parametrize("value", [torch.zeros(3), torch.zeros(2, 3, 4).to_sparse()])
@pytest.mark.parametrize("name", ["v2", "v3"])
def test_a_time_table_of_any_shape_gives_one_error(name, value, tmp_path):
    preset = PRESETS[name]
    state = official(name, preset.build(preset.config)) | {"time_emb": value}
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises((InputError, FileError), match=r"odd\.pth"):
        load_weights(preset, tmp_path / "odd.pth")


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """A checkpoint of each kind, by suffix."""
    folder, model = tmp_path_factory.mktemp("whole"), PRESETS["v3"].build(V3)
    torch.save(official("v3", model), folder / "a.pth")
    save_weights(model, folder / "a.safetensors")
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@bounded(80)
@given(st.sampled_from([".pth", ".safetensors"]), CHANGES, st.booleans())
def test_changed_bytes_give_a_model_or_one_error(
    whole_files, tmp_path_factory, suffix, changes, early
):
    """Half of the changes are in the first kilobyte, where the headers are."""
    path, content = tmp_path_factory.getbasetemp() / f"changed{suffix}", whole_files[suffix]
    cut = 1000 if early else len(content)
    path.write_bytes(apply(changes, content[:cut]) + content[cut:])
    with suppress(InputError, FileError):
        load_weights(PRESETS["v3"], path)


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def truncated(path):
    torch.save({"a": torch.zeros(9999)}, path)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: torch.save({"a": Bomb()}, path), "holds code or objects"),
        (lambda path: path.write_bytes(pickle.dumps({"a": Bomb()}, 2)), "holds code or objects"),
        (truncated, "not a checkpoint, or damaged"),
        (lambda path: path.write_bytes(b"hello" * 100), "not a checkpoint, or damaged"),
        (lambda path: path.write_bytes(b""), "not a checkpoint, or damaged"),
        (lambda path: torch.save({"a": 1}, path), "expected named tensors, got dict"),
        (lambda path: torch.save(torch.zeros(2), path), "expected named tensors, got Tensor"),
        (lambda path: None, "no such file"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_bad_files(write, words, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"bad{suffix}"
    write(path)
    if suffix == ".safetensors" and path.exists():
        words = "not a checkpoint, or damaged"
    with pytest.raises(FileError, match=rf"bad{suffix}: .*{words}") as caught:
        load_weights(PRESETS["v3"], path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    preset = presets()["cotracker2"]
    with pytest.raises(InputError, match=r"motes fetch cotracker2.*CC-BY-NC-4\.0"):
        installed(preset)
    (tmp_path / "cotracker2.pth").touch()
    assert installed(preset) == fetch(preset) == tmp_path / "cotracker2.pth"


def test_no_network(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    monkeypatch.setattr(weights.urllib.request, "urlopen", fail)
    with pytest.raises(FileError) as caught:
        fetch(presets()["cotracker3-online"])
    text = str(caught.value)
    assert "huggingface.co/facebook/cotracker3/resolve/main/scaled_online.pth" in text
    assert str(tmp_path / "scaled_online.pth") in text and "\n" not in text
    assert not list(tmp_path.iterdir())


def test_fetch_from_an_address(tmp_path, monkeypatch):
    source = tmp_path / "source.pth"
    source.write_bytes(b"weights")
    monkeypatch.setenv("MOTES_CACHE", str(tmp_path / "cache"))
    info = WeightsInfo("MIT", "w.pth", url=source.as_uri())
    preset = Preset("any", "", cotracker3.CoTracker3, weights=info)
    assert fetch(preset).read_bytes() == b"weights"
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["w.pth"]


def test_embedded_weights_have_the_hash_of_their_preset():
    for preset in presets().values():
        if preset.weights and preset.weights.sha256 and preset.weights.embedded:
            file = installed(preset)
            assert hashlib.sha256(file.read_bytes()).hexdigest() == preset.weights.sha256


@pytest.mark.parametrize("act", [fetch, installed])
def test_weights_without_an_address_are_described(act, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTES_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        act(presets()["taptrv2"])
    text = str(caught.value)
    assert "cannot be fetched" in text and "2407.16291" in text and "licence of its authors" in text
    assert str(tmp_path / "taptrv2.pth") in text and "None" not in text and "\n" not in text


def test_nothing_to_fetch():
    with pytest.raises(InputError, match="lk: needs no weights"):
        fetch(presets()["lk"])


def test_the_file_remembers_where_refinement_starts(tmp_path):
    """Weights that were trained with another start are used with it; a recipe may say its own."""
    small = MotesSConfig(
        encoder_widths=(8, 8, 8, 8), encoder_mixed=8, channels=8, width=16, heads=2
    )
    preset = replace(MOTES_S, config=replace(small, start="flow"))
    save_weights(preset.build(preset.config), tmp_path / "flow.safetensors")
    save_weights(MOTES_S.build(small), tmp_path / "least.safetensors")
    for file, start, expected in (
        ("flow", None, "flow"),
        ("flow", "half", "half"),
        ("least", None, None),
        ("least", "flow", "flow"),
    ):
        preset = replace(MOTES_S, config=replace(small, start=start))
        found = load_weights(preset, tmp_path / f"{file}.safetensors")
        assert found.config.start == expected


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("One thing. Another thing.\nMore"), "One thing"),
        (urllib.error.URLError(OSError("no route")), "no route"),
        (KeyError("fnet"), "KeyError"),
        (ValueError(), "ValueError"),
    ],
)
def test_of_a_foreign_error_the_first_sentence_is_told(error, text):
    assert weights._brief(error) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Unsupported operand 149", "refused, because it holds code"),
        ("Weights only load failed: GLOBAL os.system", "refused, because it holds code"),
        ("invalid load key, 'h'", "not a checkpoint, or damaged"),
    ],
)
def test_a_pickle_that_runs_code_is_told_from_a_damaged_one(text, words):
    assert weights._unpickling_problem(pickle.UnpicklingError(text)).startswith(words)
