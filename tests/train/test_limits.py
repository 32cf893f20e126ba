"""Numbers that no recipe can have are one line, before any work."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import CHANGES, apply, bounded
from motes.errors import FileError, InputError
from motes.train.config import Recipe, read_recipe
from motes.train.learner import build_model, find_preset, try_model
from motes.train.sample_memory import check_sample_memory


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.iterations=0", "model.iterations: expected a number from 1 to 1000, got 0"),
        ("model.parts={encoder=3}", "model.parts.encoder: expected str, got int 3"),
        ("data.sources.0.weight=-1", "data.sources.weight: expected a number from 0"),
        ("data.sources.0.weight=0", "data.sources: expected a positive weight, got none"),
        ("data.sources.0.weight=nan", "data.sources.0.weight: expected a finite number, got nan"),
        ("data.workers=-1", "data.workers: expected a number from 0 to 512, got -1"),
        ("data.attempts=0", "data.attempts: expected a number from 1"),
        ("train.stages.0.size=[0, 32]", "stage: size: expected a positive height and width"),
        ("train.lr=inf", "train.lr: expected a finite number"),
        ("train.lr=1e300", r"train.lr: expected a number from 0 to 1e\+30"),
        ("train.weight_decay=-1", "train.weight_decay: expected a number from 0"),
        ("train.slow={encoder=nan}", "train.slow.encoder: expected a finite number"),
        ("train.log_every=0", "train.log_every: expected a number from 1"),
        ("train.seed=-1", "train.seed: expected a number from 0"),
        ("train.clip=0", "train.clip: expected a positive number"),
        ("loss.gamma=1e300", "loss.gamma: expected a number from 0 to 1"),
        ("loss.huber=0", "loss.huber: expected a number from 1e-06"),
        ("eval.frames=0", "eval.frames: expected a number from 1"),
        ("train.stages." + "9" * 5000 + ".batch=1", "expected an index below 1"),
    ],
)
def test_a_number_out_of_range_is_named(change: str, message: str, recipe_file: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_recipe(recipe_file, [change])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.stages.0.frames=1000000000", "train.stages.0: one step of samples needs"),
        ("train.stages.0.batch=1000000000", "train.stages.0: one step of samples needs"),
        ("train.stages.0.longest=1000000000", "train.stages.0: one step of samples needs"),
        ("train.accumulate=1000000000", "train.stages.0: one step of samples needs"),
        ("eval.number=1000000000", "eval: the clips needs"),
        ("eval.points=1000000000000", "eval: the clips needs"),
    ],
)
def test_samples_that_memory_cannot_hold_are_refused(
    change: str, message: str, recipe_file: Path
) -> None:
    with pytest.raises(InputError, match=message):
        check_sample_memory(read_recipe(recipe_file, [change]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heads", 3),
        ("heads", 0),
        ("width", 0),
        ("levels", 0),
        ("channels", -1),
        ("depth", 10**9),
        ("time_rows", 0),
        ("encoder_widths", [0, 0]),
        ("encoder_widths", []),
    ],
)
def test_a_model_that_cannot_work_is_refused_before_training(
    name: str, value: Any, recipe_file: Path
) -> None:
    recipe = read_recipe(recipe_file, [f"model.config.{name}={value}"])
    with pytest.raises(InputError, match=r"model\.config"):
        try_model(build_model(find_preset("cotracker3-online"), recipe.model), (32, 32), 4)


def test_trying_a_model_leaves_no_trace(recipe_file: Path) -> None:
    model = build_model(find_preset("cotracker3-online"), read_recipe(recipe_file).model).train()
    before, weights = (
        torch.random.get_rng_state(),
        torch.cat([p.flatten() for p in model.parameters()]),
    )
    try_model(model, (32, 32), 6)
    assert model.training
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(weights, torch.cat([p.flatten() for p in model.parameters()]))


@pytest.mark.parametrize(
    "content",
    [b"a = " + b"[" * 200_000, b"\xff\xfe", b"a = 1" + b"0" * 5000, b"\0", b"[model]\nname = 5"],
)
def test_a_file_that_is_no_recipe_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(InputError):
        read_recipe(tmp_path / "a.toml")


def test_a_recipe_with_an_impossible_name_is_one_error() -> None:
    for name in ("x" * 300, "a\0b"):
        with pytest.raises((FileError, InputError)):
            read_recipe(name)


@bounded(150)
@given(CHANGES)
def test_changed_bytes_give_a_recipe_or_one_error(
    recipe_file: Path, tmp_path_factory: pytest.TempPathFactory, changes: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.toml"
    path.write_bytes(apply(changes, recipe_file.read_bytes()))
    try:
        recipe = read_recipe(path)
    except (InputError, FileError):
        return
    assert Recipe.from_dict(recipe.to_dict()) == recipe


LEAVES = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=3)
)
PATHS = [
    ("model", "iterations"), ("model", "parts"), ("model", "config"), ("data", "sources"),
    ("data", "workers"), ("train", "stages"), ("train", "lr"), ("train", "slow"), ("train", "seed"),
    ("loss", "gamma"), ("eval", "size"), ("eval", "number"), ("loss",), ("train",), ("data",),
]  # fmt: skip


@bounded(200)
@given(st.sampled_from(PATHS), LEAVES | st.dictionaries(st.text(max_size=3), LEAVES, max_size=2))
def test_any_value_gives_a_recipe_or_one_error(recipe_file: Path, path: Any, value: Any) -> None:
    tree = read_recipe(recipe_file).to_dict()
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with suppress(InputError):
        assert isinstance(Recipe.from_dict(tree), Recipe)
