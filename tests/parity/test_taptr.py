"""TAPTRv2 against the outputs of the released implementation."""

import copy
import json
import re
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import motes
from motes.coordinates import Resize
from motes.data.sample import Sample
from motes.features.pyramid import Pyramid
from motes.models.base import Features
from motes.models.taptr import TAPTR_V2, Taptr
from motes.models.taptr_keys import rename_key, rename_taptr
from motes.train.taptr_losses import taptr_losses

sys.path.insert(0, str(Path(__file__).parents[1]))

from detvideo import make_video, video_sha
from detweights import fill_state_dict

FOLDERS = (
    Path(__file__).parent / "golden" / "taptrv2",
    Path(__file__).resolve().parents[3] / "shared" / "golden" / "taptrv2",
)
"""Reference outputs: a small one that travels with the tests, and the others, which are optional."""


def golden(name: str) -> Path:
    """A file of reference outputs; the test is skipped where it is not."""
    found = [path for folder in FOLDERS if (path := folder / name).is_file()]
    if not found:
        pytest.skip(f"the reference output {name} is not here")
    return found[0]


def case(name: str) -> tuple[dict[str, np.ndarray], dict, Tensor]:
    """Arrays, settings, and the video as uint8 ``[T, 3, H, W]``."""
    arrays = dict(np.load(golden(f"{name}.npz")))
    meta = json.loads(str(arrays["meta"]))
    video = make_video(meta["T"], meta["H"], meta["W"], meta["video_seed"])
    assert video_sha(video) == str(arrays["video_sha"])
    return arrays, meta, torch.from_numpy(video).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def official() -> dict[str, Tensor]:
    manifest = json.loads(golden("manifest.json").read_text())["tensors"]
    filled = fill_state_dict(manifest, "taptrv2")
    return {name: torch.from_numpy(value) for name, value in filled.items()}


@pytest.fixture(scope="module")
def model(official: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """Loaded as a user loads it, from a file in the official format."""
    file = tmp_path_factory.mktemp("weights") / "taptrv2.pth"
    averaged = {f"module.{name}": value for name, value in official.items()}
    raw = {"unused": torch.zeros(1)}
    torch.save({"ema_model": averaged, "model": raw, "args": Namespace(lr=1), "epoch": 3}, file)
    return motes.load("taptrv2", weights=file, device="cpu", dtype="float32").model


@pytest.fixture(scope="module")
def model64(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).double()


def predict(
    model: nn.Module, name: str, dtype: torch.dtype, mode: type = torch.inference_mode
) -> tuple[dict, np.ndarray, np.ndarray]:
    """Arrays of the case; our positions in its pixels and our visibility logits, ``[T, N, ...]``."""
    arrays, meta, video = case(name)
    frames, queries = video.to(dtype) / 255, torch.from_numpy(arrays["queries"]).to(dtype)
    scale = 1.0
    if meta["resize"]:
        target = tuple(meta["resize"][::-1])
        frames = Resize((meta["W"], meta["H"]), target).frames(frames)
        scale = (target[0] - 1) / (meta["W"] - 1)  # their points scale from corner to corner
    queries = queries * queries.new_tensor([1, scale, scale])
    with mode():
        found = model(frames[None], queries[None])
    xy, visibility = found.xy[0].detach(), found.visibility[0].detach()
    return arrays, xy.numpy() / scale, torch.logit(visibility).numpy()


def long(*values: str) -> list:
    """Cases that `make parity` runs and `make test` does not, see conftest.py."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize("name", ["a_tiny", "b_mixed", "c_aspect", *long("d_long", "e_resize512")])
def test_outputs(model: nn.Module, name: str) -> None:
    arrays, xy, logits = predict(model, name, torch.float32)
    error = np.abs(xy - arrays["tracks"])
    assert error.max() < (1e-4 if name < "c" else 1e-3)
    assert np.sqrt((error**2).mean()) < 1e-4
    np.testing.assert_allclose(logits, arrays["vis_logits"][..., 1], atol=1e-5)
    np.testing.assert_array_equal(logits > 0, arrays["visible"])


@pytest.mark.parametrize("name", ["a_tiny", *long("b_mixed", "d_long")])
def test_outputs_in_float64(model64: nn.Module, name: str) -> None:
    arrays, xy, logits = predict(model64, name, torch.float64)
    np.testing.assert_allclose(xy, arrays["tracks_f64"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(logits, arrays["vis_logits_f64"][..., 1], atol=1e-5)


class Recorder:
    """Keeps what parts of a model take and give, by their names."""

    def __init__(self, model: nn.Module) -> None:
        self.taken: dict[str, tuple] = {}
        self.given: dict[str, list] = {}
        for name, part in model.named_modules():
            part.register_forward_hook(self._keep(name))

    def _keep(self, name: str):
        def hook(_: nn.Module, inputs: tuple, output: object) -> None:
            self.taken[name] = inputs
            self.given.setdefault(name, []).append(output)

        return hook


def test_intermediates(model: nn.Module) -> None:
    seen = Recorder(own := copy.deepcopy(model))
    predict(own, "a_tiny", torch.float32, torch.enable_grad)  # no parts are cut up in this mode
    stored = dict(np.load(golden("a_tiny_interm.npz")))
    found = {f"backbone_c{i + 2}": m for i, m in enumerate(seen.given["backbone"][0])}
    found |= {f"input_proj{i}": seen.given[f"project.{i}"][0] for i in range(4)}
    code = seen.taken["encoder.layers.0"][1]
    found["pos_plus_level"] = code.expand(8, -1, -1)
    for index in range(2):
        memory = seen.given[f"encoder.layers.{index}"][0]
        assert isinstance(memory, Pyramid)
        found[f"encoder_layer{index}"] = memory.tokens
    found["point_raw_1024"] = seen.taken["query_content"][0][0]
    found["point_content0"] = seen.given["query_content"][0][0]
    for index in range(5):
        found |= {f"dec{index}_{key}": v for key, v in layer_parts(seen, index).items()}
    for name, value in found.items():
        compare(name, value, stored)
    checked = {re.sub("__.*", "", key) for key in stored} - set(found)
    assert checked == {
        *("dec0_in", "layer_boxes_unsig", "layer_logits", "content_after_window0"),
        *("tracks", "vis_logits", "spatial_shapes"),
    } - {"dec0_in"}
    for index in range(5):
        compare("layer_logits", seen.given[f"decoder.classes.{index}"][0][0], stored, index)


def layer_parts(seen: Recorder, index: int) -> dict[str, Tensor]:
    """What the reference stored of a decoder layer; our batch axis is taken off."""
    layer = f"decoder.layers.{index}"
    x, position, code, _ = seen.taken[layer]
    out, moved = seen.given[layer][0]
    logits = seen.taken[f"{layer}.cross.update"][0]
    offsets = seen.given[f"{layer}.cross.offsets"][0]
    parts = {
        "query_pos": code[0],
        "ref_in": position[0],
        "ca_logits": logits,
        "ca_offsets": offsets.unflatten(-1, (8, 4, 4, 2)),
        "apu_logits": seen.given[f"{layer}.cross.update.disentangler"][0],
        "after_ca": seen.given[f"{layer}.norm_cross"][0][0],
        "after_tsa": seen.given[f"{layer}.norm_time"][0][0],
        "after_sa": seen.given[f"{layer}.norm_points"][0][0],
        "out": out[0],
        "ref_ca": moved[0],
        "ca_delta": (moved - position)[0, ..., :2],
        "fused": seen.given["decoder.fuse"][index].view_as(out)[0],
    }
    return parts if index == 0 else {**parts, "in": x[0]}


def compare(
    name: str, value: Tensor, stored: dict[str, np.ndarray], index: int | None = None
) -> None:
    actual = value.detach().numpy()
    if f"{name}__idx" not in stored:
        expected = stored[name] if index is None else stored[name][index]
        np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=1e-4, err_msg=name)
        return
    assert list(actual.shape) == stored[f"{name}__shape"].tolist(), name
    picked = actual.reshape(-1)[stored[f"{name}__idx"]]
    np.testing.assert_allclose(picked, stored[f"{name}__val"], atol=1e-4, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(actual.mean(), stored[f"{name}__mean"], atol=1e-4, err_msg=name)
    np.testing.assert_allclose(actual.std(), stored[f"{name}__std"], atol=1e-4, err_msg=name)


def test_state_between_windows(model: Taptr) -> None:
    """Content and positions after every window, also those that later frames begin with."""
    arrays, _, video = case("b_mixed")
    carry = dict(np.load(golden("b_mixed_carry.npz")))
    queries = torch.from_numpy(arrays["queries"])[None]
    with torch.inference_mode():
        features = model.encode(video[None].float() / 255)
        state = model.start(queries, len(features))
        for start in model.schedule.starts(len(features)):
            window = features[start : start + model.schedule.window]
            _, state = model.advance(state, window, queries, start)
            check_state(state, carry, start, queries[0, :, 0] <= start + 7)


def check_state(state, carry: dict[str, np.ndarray], start: int, started: Tensor) -> None:
    boxes = state.positions[0].sigmoid()  # [N, S, 4]
    expected = carry[f"boxes_head{start}"][start:].swapaxes(0, 1)  # [N, T - start, 4]
    later = boxes[:, -1:].expand(-1, max(expected.shape[1] - 8, 0), -1)
    np.testing.assert_allclose(
        torch.cat([boxes, later], 1)[started].numpy(), expected[started.numpy()], atol=1e-5
    )
    for frame, content in zip(
        carry[f"frames_head{start}"], carry[f"content_after_window_head{start}"], strict=True
    ):
        if frame >= start:
            inside = frame < start + 8
            expected_content = (
                state.content[0, :, frame - start] if inside else state.content_after[0]
            )
            np.testing.assert_allclose(
                expected_content[started].numpy(), content[started.numpy()], atol=1e-4
            )


def test_losses_and_gradients(official: dict[str, Tensor]) -> None:
    arrays, _, video = case("t_loss")
    model = Taptr(replace(TAPTR_V2.config, dropout=0.0)).train()
    model.load_state_dict(rename_taptr(official))
    xy = torch.from_numpy(arrays["gt_points"]).transpose(0, 1)[None]
    visible = ~torch.from_numpy(arrays["gt_occluded"]).mT[None]
    sample = Sample(video[None], xy, visible, torch.ones_like(visible))
    queries = torch.from_numpy(arrays["queries"])[None]
    prediction = model(video[None].float() / 255, queries)
    losses = taptr_losses(prediction, sample, queries)
    assert losses.keys() == {loss_name(str(name)) for name in arrays["loss_names"]}
    for name, value, weight in zip(
        arrays["loss_names"], arrays["loss_values"], arrays["loss_weights"], strict=True
    ):
        ours = losses[loss_name(str(name))].item()
        assert ours / weight == pytest.approx(float(value), abs=1e-6), name
    for key, layers in (
        ("pred_boxes", [p.sigmoid() for p in prediction.aux.positions]),
        ("pred_boxes_ca", [p.sigmoid() for p in prediction.aux.moved]),
        ("pred_logits", prediction.aux.classes),
    ):
        ours = torch.stack(list(layers))[:, 0].detach().numpy()
        np.testing.assert_allclose(ours, arrays[key], atol=1e-5, err_msg=key)
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    for name, norm in zip(arrays["grad_names"], arrays["grad_norms"], strict=True):
        gradient = gradients.pop(rename_key(str(name)))
        ours = 0.0 if gradient is None else gradient.norm().item()
        assert ours == pytest.approx(float(norm), rel=1e-3, abs=1e-9), name
    assert not gradients


def loss_name(name: str) -> str:
    """``pt_full_loss_bbox_3`` is ``position_3``; without a number it is the last layer."""
    layer = re.search(r"_(\d+)$", name)
    if "_ce" in name:
        return "class"
    return f"{'update' if '_ca_' in name else 'position'}_{layer[1] if layer else 4}"


def test_resize_is_half_pixel() -> None:
    """The tracker's frames are those that the reference got, for the size users will use."""
    assert TAPTR_V2.resize.size == (512, 512)
    assert not TAPTR_V2.resize.corners


def test_features_do_not_depend_on_the_chunk(model: Taptr, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, video = case("a_tiny")
    frames = video[None, :3].float() / 255
    with torch.inference_mode():
        together = model.encode(frames)
        monkeypatch.setattr("motes.models.taptr.PIXELS_AT_ONCE", 1)
        one_by_one = model.encode(frames)
    assert isinstance(together, Features)
    for a, b in zip(together.levels, one_by_one.levels, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
