"""``motes train`` from the outside: problems are one line, before any work."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from motes.cli import run


def test_trains_and_says_where_the_weights_are(
    recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["--set", "train.stages.0.steps=2", "--set", "eval.number=1"]
    assert run(["train", str(recipe_file), *changes, "-o", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run" / "best.safetensors")
    assert (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.lrr=1", "unknown key in [train] 'lrr'; did you mean 'lr'?"),
        ("trian.lr=1", "unknown key in the recipe 'trian'; did you mean 'train'?"),
        ("train.lr=fast", "train.lr: expected float, got str 'fast'"),
        ("train.lr=-1", "train.lr: expected a positive number, got -1.0"),
        ("train.decay=cosin", "unknown decay 'cosin'; did you mean 'cosine'?"),
        ("train.precision=16", "train.precision: expected str, got int 16"),
        ("train.stages=[]", "train.stages: expected at least one stage, got none"),
        ("train.stages.0.batch=0", "stage: batch: expected a positive number, got 0"),
        ("train.stages.0.longest=2", "stage: longest 2 is less than frames 6"),
        ("loss.kind=cotraker3", "unknown loss 'cotraker3'; did you mean 'cotracker3'?"),
        ("model.name=taptrv2-t", "unknown model 'taptrv2-t'; did you mean 'taptrv2-s'?"),
        ("model.config.widht=3", "unknown key in [model.config] 'widht'; did you mean 'width'?"),
        ("data.sources.0.kind=clip", "unknown data source 'clip'; did you mean 'clips'?"),
        ("data.sources.0.options.knd=1", "'knd'; did you mean 'kind'?"),
        ("data.sources.0.path=/nowhere", "textures: expected a folder of images"),
        ("data.sources=[]", "data.sources: expected at least one source, got none"),
        ("data.augment.blurr=1", "unknown key in [data.augment] 'blurr'; did you mean 'blur'?"),
        ("eval.clips=/nowhere", "/nowhere: no such file or folder"),
    ],
)
def test_a_recipe_that_does_not_fit_is_one_line(
    change: str, message: str, recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(["train", str(recipe_file), "--set", change, "-o", str(folder)]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("motes: ") and message in error
    assert not folder.exists()


def test_a_missing_extra_is_named(
    recipe_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = builtins.__import__

    def without_fabric(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("lightning_fabric"):
            raise ImportError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_fabric)
    assert run(["train", str(recipe_file)]) == 1
    assert "pip install 'motes[train]'" in capsys.readouterr().err
