"""The loop with real processes: killed, resumed, in parallel."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from motes.errors import FileError, InputError
from motes.models.cotracker3 import CoTracker3Config
from motes.train.batches import Draws
from motes.train.checkpoint import load_checkpoint
from motes.train.config import LossConfig, Recipe, read_recipe
from motes.train.learner import Learner, build_model, find_preset, one_cycle, optimizer_groups
from motes.train.loop import LAST, train
from motes.train.metrics import read_table

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def run(recipe: Path, folder: Path, *changes: str) -> Path:
    return train(read_recipe(recipe, changes), folder)


def curve(folder: Path, *names: str) -> np.ndarray:
    names = names or ("step", "loss", "visible", "visibility", "confidence", "gradient", "lr")
    return np.array([[float(row[n]) for n in names] for row in read_table(folder / "train.csv")])


def weights(folder: Path) -> torch.Tensor:
    content = load_checkpoint(folder / LAST)
    return torch.cat([v.flatten() for v in content["model"].values()])


@pytest.fixture(scope="module")
def whole(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 8 steps that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run(recipe_file, folder)
    return folder


def test_a_run_leaves_curve_weights_record_and_card(whole: Path, recipe_file: Path) -> None:
    assert curve(whole)[:, 0].tolist() == [2, 4, 6, 8]
    halves = load_file(whole / "best.safetensors")
    assert {v.dtype for v in halves.values()} == {torch.float16}
    assert set(halves) == set(load_checkpoint(whole / LAST)["model"])
    record = json.loads((whole / "record.json").read_text())
    assert (record["steps"], record["samples"], record["model"]) == (8, 16, "cotracker3-online")
    assert Recipe.from_dict(record["recipe"]) == read_recipe(recipe_file)
    assert "8 steps, 16 clips" in (whole / "card.md").read_text()
    assert list((whole / "tensorboard").iterdir())
    assert read_table(whole / "eval.csv")[-1]["step"] == "8"


def test_sigkill_loses_nothing_but_the_steps_since_the_checkpoint(
    whole: Path, recipe_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "motes", "train", str(recipe_file), "-o", str(folder)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / LAST).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert load_checkpoint(folder / LAST)["progress"]["step"] == 4
    run(recipe_file, folder)
    np.testing.assert_allclose(curve(folder), curve(whole), rtol=1e-4)
    torch.testing.assert_close(weights(folder), weights(whole), rtol=1e-4, atol=1e-5)


def test_a_run_that_is_asked_to_stop_resumes_exactly(recipe_file: Path, tmp_path: Path) -> None:
    """SIGTERM comes in the middle of step 5, and of the interval of a line."""
    changes = ("train.log_every=4", "train.save_every=5")
    whole = tmp_path / "whole"
    run(recipe_file, whole, *changes)
    original = Draws.__getitem__

    def terminate(self: Draws, place: tuple[int, int]) -> object:
        if place[0] == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, place)

    folder = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Draws, "__getitem__", terminate)
        run(recipe_file, folder, *changes)
    assert load_checkpoint(folder / LAST)["progress"]["step"] == 5
    run(recipe_file, folder, *changes)
    assert torch.equal(weights(folder), weights(whole))
    assert np.array_equal(curve(folder), curve(whole))


def test_a_continued_run_takes_the_new_learning_rate(
    whole: Path, recipe_file: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    run(recipe_file, tmp_path / "run", "train.lr=5e-4", "train.stages.0.steps=9")
    steps = curve(tmp_path / "run", "step", "lr")
    assert steps[-1] == pytest.approx([9, 5e-4 * one_cycle(8, 9, 0.05, "cosine")], rel=1e-4)


def test_two_processes_learn_what_one_learns_with_twice_the_batch(
    whole: Path, recipe_file: Path, tmp_path: Path
) -> None:
    command = [
        *TORCHRUN,
        "2",
        "-m",
        "motes",
        "train",
        str(recipe_file),
        "-o",
        str(tmp_path / "two"),
    ]
    change = ["--set", "train.stages.0.batch=1"]
    done = subprocess.run([*command, *change], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = ("step", "loss", "visible", "visibility", "confidence", "gradient")
    np.testing.assert_allclose(
        curve(tmp_path / "two", *names), curve(whole, *names), rtol=1e-3, atol=1e-5
    )
    record = json.loads((tmp_path / "two" / "record.json").read_text())
    assert (record["processes"], record["samples"]) == (2, 16)


def test_taptr_trains_too(recipe_file: Path, tmp_path: Path) -> None:
    config = "{widths=[8, 8, 8, 8], width=32, heads=2, hidden=32, decoder_layers=2, proxies=4}"
    changes = ["model.name=taptrv2-s", f"model.config={config}", "loss.kind=taptr"]
    recipe = read_recipe(recipe_file, [*changes, "train.stages.0.steps=2"])
    train(replace(recipe, model=replace(recipe.model, iterations=None)), tmp_path)
    (row,) = read_table(tmp_path / "train.csv")
    assert float(row["position_1"]) > 0 and float(row["update_1"]) > 0 and float(row["class"]) > 0


SMALL = CoTracker3Config(
    encoder_widths=(32, 48, 64, 64), encoder_mixed=96, channels=64, match_hidden=192, match_out=128,
    width=192, heads=6, virtual_tracks=32, unit=(256, 256), iterations=4,
)  # fmt: skip


@pytest.mark.parametrize("name", ["cotracker3-online", "taptrv2-s"])
def test_bf16_leaves_positions_alone(name: str) -> None:
    """A position of 200 pixels in bfloat16 would be off by up to half a pixel."""
    torch.manual_seed(0)
    config = SMALL if name == "cotracker3-online" else find_preset(name).config
    model = find_preset(name).build(config)
    learner = Learner(model, LossConfig("taptr" if "taptr" in name else "cotracker3"), None, True)
    video = torch.randint(255, (1, 16, 3, 64, 64), dtype=torch.uint8)
    queries = torch.tensor([[[0.0, 40.3, 50.7], [0.0, 10.1, 20.2]]])
    xy = queries[:, None, :, 1:].expand(1, 16, 2, 2).contiguous()
    yes = torch.ones(1, 16, 2, dtype=torch.bool)
    terms = learner.train()(video, xy, yes, yes, queries)
    assert all(term.isfinite() and term.dtype == torch.float32 for term in terms.values())
    with torch.autocast("cpu", torch.bfloat16):
        prediction = model.eval()(video.float() / 255, queries)
    assert prediction.xy.dtype == torch.float32
    assert (prediction.xy[:, 0] - xy[:, 0]).abs().max() < 1.0


def test_bf16_follows_fp32(whole: Path, recipe_file: Path, tmp_path: Path) -> None:
    run(recipe_file, tmp_path, "train.precision=bf16-mixed", "train.stages.0.steps=2")
    found, expected = (curve(folder, "loss")[0] for folder in (tmp_path, whole))
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert weights(tmp_path).dtype == torch.float32


def test_accumulated_passes_are_one_large_batch(
    whole: Path, recipe_file: Path, tmp_path: Path
) -> None:
    run(recipe_file, tmp_path, "train.stages.0.batch=1", "train.accumulate=2")
    names = ("step", "loss", "gradient")
    np.testing.assert_allclose(curve(tmp_path, *names), curve(whole, *names), rtol=1e-3)


def test_a_corrupt_clip_is_skipped_counted_and_reported(
    recipe_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = tmp_path / "clips"
    write_clips(recipe_file, clips, 3)
    (clips / "1.npz").write_bytes(b"broken")
    changes = ("data.sources.0.kind=clips", f"data.sources.0.path={clips}")
    changes += ("data.sources.0.options={}",)
    run(recipe_file, tmp_path / "run", *changes)
    skipped = curve(tmp_path / "run", "skipped")
    assert skipped[-1, 0] > 0
    assert json.loads((tmp_path / "run" / "record.json").read_text())["skipped"] == skipped[-1, 0]
    assert "skipped: " in caplog.text and "1.npz" in caplog.text


def write_clips(recipe_file: Path, folder: Path, count: int) -> None:
    """Generated clips in the house format, frames as images."""
    import cv2

    from motes.coordinates import pixels_to_raster
    from motes.train.config import Stage
    from motes.train.sources import build_sources

    recipe = read_recipe(recipe_file)
    (source,) = build_sources(recipe.data)
    for i in range(count):
        sample = source.draw(torch.Generator().manual_seed(i), Stage(1, (32, 32), 8, 16))
        (folder / str(i)).mkdir(parents=True)
        for t, frame in enumerate(sample.video):
            picture = np.ascontiguousarray(frame.permute(1, 2, 0).numpy()[..., ::-1])
            cv2.imwrite(str(folder / str(i) / f"{t:03}.png"), picture)
        points = pixels_to_raster(sample.xy.transpose(0, 1).numpy(), sample.size)
        np.savez(folder / f"{i}.npz", points=points, occluded=~sample.visible.T.numpy())


def test_a_gradient_that_is_not_finite_changes_nothing(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motes.train.loop.MAX_BAD_STEPS", 3)
    with pytest.raises(InputError, match=r"not been finite for 3 steps .* smaller train\.lr"):
        run(recipe_file, tmp_path, "train.lr=1e30", "train.save_every=1")
    assert weights(tmp_path).isfinite().all()


def test_a_checkpoint_of_another_model_is_refused(whole: Path, recipe_file: Path) -> None:
    with pytest.raises(InputError, match=r"last\.ckpt: does not continue cotracker3-online"):
        run(recipe_file, whole, "model.config.width=32")


@pytest.mark.parametrize(
    "content",
    [5, [1], {}, {"state": 5}, {"model": {}}, {"model": 3, "optimizer": {}, "progress": {}}],
)
def test_a_checkpoint_of_something_else_is_one_error(
    recipe_file: Path, tmp_path: Path, content: object
) -> None:
    torch.save(content, tmp_path / LAST)
    with pytest.raises(InputError, match=r"last\.ckpt: does not continue cotracker3-online"):
        run(recipe_file, tmp_path)


def test_progress_that_is_nonsense_is_one_error(
    whole: Path, recipe_file: Path, tmp_path: Path
) -> None:
    content = load_checkpoint(whole / LAST)
    content["progress"]["step"] = "many"
    torch.save(content, tmp_path / LAST)
    with pytest.raises(InputError, match=r"progress\.step: expected int, got str 'many'"):
        run(recipe_file, tmp_path)


def test_two_runs_do_not_share_a_folder(recipe_file: Path, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / "lock"),
        pytest.raises(FileError, match="another run is writing there now"),
    ):
        run(recipe_file, tmp_path)
    assert not (tmp_path / "train.csv").exists()


def test_a_full_disk_does_not_end_a_run(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> None:
        raise FileError(f"{path}: no space")

    monkeypatch.setattr("motes.train.loop.save_checkpoint", full)
    run(recipe_file, tmp_path, "train.stages.0.steps=4")
    assert not (tmp_path / LAST).exists() and (tmp_path / "best.safetensors").exists()


def test_frozen_parts_and_slow_parts(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file, ['model.frozen=["scoring"]'])
    model = build_model(find_preset("cotracker3-online"), recipe.model)
    groups = optimizer_groups(model, 1e-3, {"encoder": 0.1})
    assert [group["lr"] for group in groups] == [1e-3, pytest.approx(1e-4)]
    trained = sum(len(group["params"]) for group in groups)
    assert trained == len(list(model.parameters())) - 2
    with pytest.raises(InputError, match="no parameter starts with 'scorin_'"):
        build_model(find_preset("cotracker3-online"), read_recipe(
            recipe_file, ['model.frozen=["scorin_"]']).model)  # fmt: skip
    with pytest.raises(InputError, match="no trained parameter starts with 'encodr'"):
        optimizer_groups(model, 1e-3, {"encodr": 0.1})


@pytest.mark.parametrize("whole", [False, True], ids=["a part", "a whole model"])
def test_parts_come_from_files(recipe_file: Path, tmp_path: Path, whole: bool) -> None:
    recipe = read_recipe(recipe_file)
    preset = find_preset("cotracker3-online")
    donor = build_model(preset, recipe.model)
    file = tmp_path / "encoder.pth"
    held = donor.state_dict() if whole else donor.encoder.state_dict()
    torch.save({**held, "fc.weight": torch.zeros(1)}, file)
    recipe = read_recipe(recipe_file, [f'model.parts={{encoder="{file}"}}'])
    model = build_model(preset, recipe.model)
    assert torch.equal(model.encoder.stem.weight, donor.encoder.stem.weight)
    recipe = read_recipe(recipe_file, [f'model.parts={{encodr="{file}"}}'])
    with pytest.raises(InputError, match="did you mean 'encoder'"):
        build_model(preset, recipe.model)


def test_one_cycle_is_that_of_pytorch() -> None:
    steps = 1000
    parameter = torch.nn.Parameter(torch.zeros(1))
    for decay, name in (("cosine", "cos"), ("linear", "linear")):
        optimizer = torch.optim.SGD([parameter], lr=1.0)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 1.0, steps + 1, pct_start=0.2, anneal_strategy=name, cycle_momentum=False
        )
        for step in range(steps):
            # PyTorch peaks one step earlier and stretches both slopes accordingly
            expected = scheduler.get_last_lr()[0]
            assert one_cycle(step, steps, 0.2, decay) == pytest.approx(expected, abs=0.005)
            optimizer.step()
            scheduler.step()
    assert [one_cycle(s, 30, 0.0, "steps") for s in (0, 19, 20, 26)] == pytest.approx(
        [1, 1, 0.1, 0.01]
    )
