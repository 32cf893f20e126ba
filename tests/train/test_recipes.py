"""The recipes that ship fit the models, sources and losses that there are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from motes.tracking.load import presets
from motes.train.batches import seeded
from motes.train.config import Recipe, Stage, read_parts, read_recipe
from motes.train.learner import build_model, find_preset, optimizer_groups
from motes.train.settings import amend
from motes.train.sources import PLAIN, Synthetic, build_sources, makers

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
SMALL = Stage(1, (32, 32), 4, 8)
OURS = [path for path in RECIPES if "-s" in path.stem and "motes" not in path.stem]
PARTS = [
    pytest.param(recipe, id=f"{path.stem}-{name}")
    for path in RECIPES
    for name, recipe in read_parts(path)
]


@pytest.mark.parametrize("recipe", PARTS)
def test_a_recipe_names_what_exists(recipe: Recipe) -> None:
    """Models, frozen and slow parts, sources, teachers, augmentation; without data and weights."""
    with torch.device("meta"):
        preset = find_preset(recipe.model.name)
        model = build_model(preset, replace(recipe.model, weights=None, parts={}))
    optimizer_groups(model, recipe.train.lr, recipe.train.slow)
    assert set(recipe.model.parts) <= {name for name, _ in model.named_children()}
    assert {source.kind for source in recipe.data.sources} <= set(makers())
    amend(PLAIN, recipe.data.augment or {}, "augment")
    teachers = [t for s in recipe.data.sources for t in s.options.get("teachers", ())]
    assert {teacher.partition("=")[0] for teacher in teachers} <= set(presets())


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_ours_need_nothing_but_the_package(path: Path) -> None:
    recipe = read_recipe(path)
    recipe = replace(recipe, data=replace(recipe.data, augment=always(recipe.data.augment)))
    for source in build_sources(recipe.data):
        assert isinstance(source, Synthetic)
        assert source.draw(seeded(0), SMALL).video.shape == (4, 3, 32, 32)
    assert all(source.path is None for source in recipe.data.sources)
    assert recipe.eval.clips is None


def always(augment: dict[str, Any] | None) -> dict[str, Any] | None:
    """Every change that is left to chance happens."""
    chances = ("erase", "jitter", "blur", "reverse")
    return None if augment is None else {**augment, **dict.fromkeys(chances, 1.0)}
