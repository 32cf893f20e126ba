"""The recipes that ship fit the models, sources and losses that there are."""

from dataclasses import replace
from pathlib import Path

import pytest

from motes.train.config import read_recipe
from motes.train.learner import build_model, find_preset
from motes.train.sources import PLAIN, makers

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
OURS = [path for path in RECIPES if "-s" in path.stem]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_what_exists(path: Path) -> None:
    recipe = read_recipe(path)
    find_preset(recipe.model.name)
    assert {source.kind for source in recipe.data.sources} <= set(makers())


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_ours_need_nothing_but_the_package(path: Path) -> None:
    recipe = read_recipe(path)
    build_model(find_preset(recipe.model.name), replace(recipe.model, weights=None))
    for source in recipe.data.sources:
        assert source.path is None
        makers()[source.kind](source, PLAIN)
