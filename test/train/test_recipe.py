"""Recipes: the built-in one makes the shipped model, a wrong one is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")
yaml = pytest.importorskip("yaml", reason="recipes are YAML")

from mmser_ros.model.config import BadModel, load_config
from mmser_ros.tokens import build_word_level
from mmser_ros.train.recipe import STAGES, claim, find_recipe, load_recipe
from mmser_ros.world import grammar

ENGINE = Path(__file__).parents[2] / "engines" / "nano"
WORDS = build_word_level(grammar.words()).vocabulary


def test_the_built_in_recipe_is_that_of_the_shipped_model() -> None:
    recipe = load_recipe(find_recipe("nano"), WORDS)
    made = json.loads((ENGINE / "training.json").read_text(encoding="utf-8"))
    assert made["steps"] == {stage: recipe.plan.of(stage).steps for stage in STAGES}
    assert (made["frames"], made["validation"]) == (recipe.frames, recipe.validation)
    assert made["seed"] == recipe.seed
    shipped = load_config(ENGINE / "config.json")
    assert dataclasses.replace(shipped, calibration=None) == recipe.model


def test_a_scale_makes_every_stage_longer() -> None:
    recipe = load_recipe(find_recipe("nano"), WORDS)
    for stage in STAGES:
        twice = recipe.scaled(2).plan.of(stage)
        assert twice == dataclasses.replace(recipe.plan.of(stage), steps=twice.steps)
        assert twice.steps == 2 * recipe.plan.of(stage).steps
    assert recipe.scaled(1e-9).plan.vision.steps == 2


def test_checkpoints_of_another_recipe_are_not_gone_on_with(tmp_path: Path) -> None:
    recipe = load_recipe(find_recipe("nano"), WORDS)
    for _ in range(2):
        claim(tmp_path / "work", recipe)
    assert load_recipe(tmp_path / "work" / "recipe.json", WORDS) == recipe
    with pytest.raises(BadModel, match="of another recipe"):
        claim(tmp_path / "work", recipe.scaled(2))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda raw: raw["plan"].pop("vision"), "'plan.vision' is missing"),
        (lambda raw: raw["plan"].update(speed=9), "'plan.speed' is not a setting"),
        (lambda raw: raw["model"]["vision"].update(heads=5), "multiple of 'vision.heads'"),
        (lambda raw: raw.update(frames="many"), "'frames' is 'many'"),
        (lambda raw: raw.update(model=3), "'model' must be an object"),
    ],
)
def test_a_wrong_recipe_is_refused_with_a_sentence(change, complaint, tmp_path: Path) -> None:
    raw = yaml.safe_load(find_recipe("nano").read_text(encoding="utf-8"))
    change(raw)
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(BadModel, match=complaint):
        load_recipe(path, WORDS)


def test_a_missing_or_broken_recipe_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no recipe 'mega'"):
        find_recipe("mega")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [", encoding="utf-8")
    with pytest.raises(BadModel, match="cannot be read as a recipe"):
        load_recipe(broken, WORDS)
