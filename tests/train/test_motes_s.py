"""motes-s learns from a folder of clips; interrupted, it goes on as if it had not been."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from motes.errors import FileError, InputError
from motes.features.candidates import KINDS
from motes.models.weights import save_weights
from motes.synthetic import SyntheticConfig
from motes.train.batches import Draws, seeded
from motes.train.checkpoint import load_checkpoint
from motes.train.choosing import ChoosingLearner
from motes.train.config import (
    DataConfig,
    EvalConfig,
    LossConfig,
    ModelConfig,
    SourceConfig,
    Stage,
    read_parts,
)
from motes.train.learner import build_model, find_preset
from motes.train.loop import BEST, LAST, train, train_parts
from motes.train.rendered import ClipKind, Rendered, RenderedOptions, all_candidates
from motes.train.sources import build_sources
from motes.train.validate import Validation

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

RECIPE = """
[model]
name = "motes-s"
[model.config]
frames = 6
step = 3
encoder_widths = [8, 8, 8, 8]
encoder_mixed = 16
channels = 16
match_hidden = 16
match_out = 8
octaves = 2
width = 16
heads = 2
depth = 1
virtual_tracks = 4
iterations = 2

[[data.sources]]
kind = "rendered"
[data.sources.options]
clips = 4
anchors = 2
[data.sources.options.look]
frames = 8
size = [64, 64]
points = 48
effects = false
samples = [1, 1]

[loss]
kind = "motes-s"
visible = 0.5
occluded = 0.1
near = 6.0

[train]
lr = 1e-2
ema = 0.5
log_every = 1
save_every = 5
save_minutes = 0.0
[[train.stages]]
size = [48, 48]
steps = 20
frames = 6
points = 24
batch = 2

[eval]
number = 1
size = [64, 64]
frames = 6
points = 8

[[parts]]
name = "refiner"
[parts.model.config]
candidates = ["flow"]
choosing = false
[parts.loss]
matching = 0.2

[[parts]]
name = "chooser"
[parts.train]
lr = 3e-3
[parts.model]
frozen = ["encoder."]
"""


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory):
    """The recipe, with a folder of clips that all tests share."""
    folder = tmp_path_factory.mktemp("rendered")
    path = folder / "tiny.toml"
    path.write_text(RECIPE.replace("clips = 4", f'clips = 4\nfolder = "{folder / "clips"}"'))
    return path


@pytest.fixture(scope="module")
def whole(recipe_file, tmp_path_factory):
    """Both parts, undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    train_parts(read_parts(recipe_file), folder)
    return folder


def loss(recipe, file):
    """Mean loss of some weights on eight batches that are not those of the run."""
    model = build_model(find_preset("motes-s"), replace(recipe.model, weights=str(file)))
    learner = ChoosingLearner(model, recipe.loss, recipe.model.iterations)
    draws = Draws(build_sources(recipe.data), recipe.data, recipe.train.stages[0], seed=7)
    torch.manual_seed(0)
    total = 0.0
    with torch.no_grad():
        for index in range(8):
            b = draws[index, 6, 24]
            s = b.sample
            given = s.video, s.xy, s.visible, s.valid, b.queries, b.candidates, b.error
            total += sum(term.item() for term in learner(*given).values()) / 8
    return total


def weights(folder):
    return load_checkpoint(folder / LAST)["model"]


def test_the_loss_falls(whole, recipe_file, tmp_path):
    (_, refiner), (_, chooser) = read_parts(recipe_file)
    torch.manual_seed(0)
    save_weights(build_model(find_preset("motes-s"), refiner.model), tmp_path / "none.safetensors")
    files = [tmp_path / "none.safetensors", whole / "refiner" / LAST, whole / "chooser" / LAST]
    assert loss(refiner, files[1]) < 0.9 * loss(refiner, files[0])
    # All terms together: the choice itself is as good as equal in such clips, where all are right.
    assert loss(chooser, files[2]) < 0.97 * loss(chooser, files[1])


def test_the_chooser_goes_on_from_the_refiner_with_its_encoder(whole):
    refined, chosen = weights(whole / "refiner"), weights(whole / "chooser")
    own = load_checkpoint(whole / "refiner" / LAST)["ema_model"]
    for name in refined:
        if name.startswith("encoder."):
            torch.testing.assert_close(chosen[name], own[name].half().float())
    assert not torch.equal(refined["chooser.score.weight"], chosen["chooser.score.weight"])
    assert (whole / "chooser" / BEST).exists()


def test_killed_and_continued_gives_the_same_weights(whole, recipe_file, tmp_path):
    command = [sys.executable, "-m", "motes", "train", str(recipe_file), "-o", str(tmp_path)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (tmp_path / "refiner" / LAST).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert load_checkpoint(tmp_path / "refiner" / LAST)["progress"]["step"] < 20
    train_parts(read_parts(recipe_file)[:1], tmp_path)
    expected = weights(whole / "refiner")
    for name, value in weights(tmp_path / "refiner").items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_a_run_can_be_limited_in_time(recipe_file, tmp_path):
    parts = read_parts(recipe_file, ["train.minutes=1e-6"])
    train(parts[0][1], tmp_path)
    assert load_checkpoint(tmp_path / LAST)["progress"]["step"] == 1


def test_parts_are_laid_over_the_file_and_settings_over_both(recipe_file):
    changes = ["train.lr=0.5", "parts.1.loss.choice=0.7"]
    (first, refiner), (second, chooser) = read_parts(recipe_file, changes)
    assert (first, second) == ("refiner", "chooser")
    assert (refiner.loss.matching, chooser.loss.matching) == (0.2, 0.0)
    assert (refiner.train.lr, chooser.train.lr, chooser.loss.choice) == (0.5, 0.5, 0.7)
    assert refiner.model.config["width"] == chooser.model.config["width"] == 16


@pytest.fixture
def options(tmp_path):
    look = SyntheticConfig(frames=4, size=(48, 48), points=40, samples=(1, 1), effects=False)
    return RenderedOptions(str(tmp_path / "clips"), clips=1, anchors=2, look=look)


STAGE = Stage(1, size=(48, 48), frames=3, points=20)


def test_a_window_is_consistent(options):
    batch = Rendered.of(options).draw(seeded(3), STAGE)
    sample, queries = batch.sample, batch.queries[0]
    assert sample.video.shape == (1, 4, 3, 48, 48)
    assert batch.candidates.shape == (1, 20, 3, len(KINDS), 2)
    assert not sample.valid[0, 3].any()
    inside = queries[:, 0] < 3
    t, n = queries[inside, 0].long(), inside.nonzero()[:, 0]
    torch.testing.assert_close(sample.xy[0, t, n], queries[inside, 1:])
    torch.testing.assert_close(batch.candidates[0, n, t, 0], queries[inside, 1:], atol=1e-3, rtol=0)
    assert batch.error[0, n, t, 0].max() == 0


def test_changes_keep_points_on_what_they_show(options):
    """Rendered anew from a changed window, candidates are the changed candidates, nearly."""
    batch = Rendered.of(options).draw(seeded(5), STAGE)
    sample = type(batch.sample)(
        *(getattr(batch.sample, n)[0, :3] for n in ("video", "xy", "visible", "valid"))
    )
    queries = batch.queries[0]
    n = ((queries[:, 0] == 1) & sample.visible[1]).nonzero()[:, 0]
    if not len(n):
        pytest.skip("no query in this frame")
    found = all_candidates(sample.points(n), torch.ones(1, len(n), dtype=torch.long))
    away = (found.xy[0, :, :, 0] - batch.candidates[0, n, :, 0]).norm(dim=-1)
    assert away.median() < 0.5


@pytest.mark.parametrize("damage", ["cut off", "other settings"])
def test_a_clip_that_does_not_fit_is_named_and_made_anew(options, caplog, damage):
    source = Rendered.of(options)
    expected = source.cache.get(0)
    (path,) = (p for p in source.cache.folder.iterdir())
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        source = Rendered.of(RenderedOptions(options.folder, 1, 3, look=options.look))
    with caplog.at_level(logging.WARNING):
        found = source.cache.get(0)
    assert str(path) in caplog.text and "rendered again" in caplog.text
    np.testing.assert_array_equal(found.xy, expected.xy)
    assert source.cache.get(0).anchors.shape == found.anchors.shape


def test_a_folder_that_cannot_be_written_is_named(options, tmp_path):
    (tmp_path / "clips").write_text("a file")
    with pytest.raises(FileError, match="clips"):
        Rendered.of(options).cache.get(0)


def test_other_data_and_other_models_are_refused(recipe_file, tmp_path):
    other = read_parts(recipe_file, ["data.sources=[{kind='synthetic'}]"])[0][1]
    with pytest.raises(InputError, match="rendered"):
        train(other, tmp_path)
    flow = build_model(find_preset("flow"), ModelConfig("flow"))
    with pytest.raises(InputError, match="starts from candidates, got DenseFlow"):
        ChoosingLearner(flow, LossConfig("motes-s"), None)


def test_clips_for_measuring_are_never_trained_on(options):
    source = Rendered.of(options)
    clip = source.held_out(0)
    assert clip.video.shape == (4, 3, 48, 48) and clip.xy.shape == (4, clip.num_points, 2)
    trained = {source.draw(seeded(i), STAGE).sample.video.float().mean().item() for i in range(3)}
    names = sorted(path.stem for path in source.cache.folder.iterdir())
    assert names == ["000000", "900000"] and len(trained) == 3
    assert source.share(0, 1) == [0, *range(900_000, 900_008)]
    assert sorted(source.share(0, 2) + source.share(1, 2)) == sorted(source.share(0, 1))


def test_a_recipe_without_clips_for_measuring_measures_those_held_out(options):
    config = EvalConfig(number=2, size=(32, 40), frames=3, points=7)
    draws = Draws([Rendered.of(options)], DataConfig((SourceConfig("rendered"),)), STAGE, seed=0)
    samples = Validation(config, find_preset("motes-s"), draws).samples
    assert [s.video.shape for s in samples] == [(3, 3, 32, 40)] * 2
    assert all(s.num_points == 7 for s in samples)


def test_kinds_of_clips_are_mixed_evenly_and_candidates_can_be_left_out(options):
    long = ClipKind({"frames": 7, "kind": "layers", "movers": [2, 2]}, weight=1.0)
    mixed = replace(options, clips=2, kinds=(ClipKind(weight=3.0), long), anchor_frames=2)
    mixed = replace(mixed, candidates=("flow", "direct"))
    looks = [mixed.look_of(number) for number in range(400)]
    assert sum(look.frames == 7 for look in looks) == pytest.approx(100, abs=2)
    assert {look.kind for look in looks if look.frames == 4} == {"layers", "solids"}
    number = next(n for n, look in enumerate(looks) if look.frames == 7)
    clip = Rendered.of(mixed).cache.get(number)
    assert clip.video.shape[0] == 7
    assert len(np.unique(clip.anchors)) <= 2 and 0 in clip.anchors
    known = np.isfinite(clip.error).all((0, 1, 2))
    assert known.tolist() == [kind in ("flow", "direct") for kind in KINDS]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips": 0}, "clips: expected a number from 1"),
        ({"candidates": ("flaw",)}, "unknown kind of candidate 'flaw'; did you mean 'flow'"),
        ({"kinds": (ClipKind({"layrs": 3}),)}, "did you mean 'layers'"),
        ({"kinds": (ClipKind({"movers": [3, 1]}),)}, "movers: expected 0 <= low <= high"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options, changes, message):
    with pytest.raises(InputError, match=message):
        replace(options, **changes)


def test_taptrv2_xs_learns_from_the_same_clips_in_bfloat16(options):
    small = {"encoder_widths": [8, 8, 8, 8], "encoder_mixed": 16, "channels": 16, "width": 16}
    small |= {"hidden": 16, "depth": 2, "proxies": 4, "frames": 3, "step": 1, "start": "flow"}
    model = build_model(find_preset("taptrv2-xs"), ModelConfig("taptrv2-xs", config=small))
    learner = ChoosingLearner(model.train(), LossConfig("motes-s"), None, bf16=True)
    batch = Rendered.of(options).draw(seeded(3), STAGE)
    s = batch.sample
    given = s.video, s.xy, s.visible, s.valid, batch.queries, batch.candidates, batch.error
    loss = sum(learner(*given).values())
    loss.backward()
    assert loss.isfinite()
    moved = model.decoder.layers[0].cross.offsets.weight.grad
    assert moved.isfinite().all() and moved.abs().max() > 0
