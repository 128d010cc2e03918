"""A recipe: everything that decides how a model is made, read from a YAML file."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmser_ros.files import replacing
from mmser_ros.folders import places
from mmser_ros.model.config import BadModel, ModelConfig, build, check
from mmser_ros.train.heads import THINGS
from mmser_ros.train.progress import Schedule
from mmser_ros.world import grammar

REFINING = ("refine", "again", "critical")
"""Stages that take closer looks."""
STAGES = ("reading", "vision", "glance", *REFINING)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what a training run does, besides the model's config."""

    reading: Schedule
    vision: Schedule
    glance: Schedule
    refine: Schedule
    again: Schedule
    critical: Schedule
    batch: int
    """Captions a step."""
    wholes: int
    windows: int
    """Frames, and cuts of other frames, a step of the vision stage."""
    unseen: float
    """Share of frames kept from vision and glance, for the second look to learn from."""
    own: float
    rules: float
    """Kinds of draft in the refinement stages; the rest is blank."""
    coarse: float
    """Share of refinement steps that train the first glance on."""
    dense: float
    """Weight of patch labels on the sharpened visual tokens."""
    dropout: float
    """Of what the decoder's blocks add, while it learns captions of frames."""

    def drafted(self, stage: str) -> int:
        """Drafts that a stage of refinement learns from, at most."""
        return math.ceil(self.of(stage).steps * self.batch * (1 - self.coarse))

    def of(self, stage: str) -> Schedule:
        """The schedule of one stage."""
        found: Schedule = getattr(self, stage)
        return found


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to render, what to train, and how."""

    seed: int
    """Of frames, weights and data order."""
    frames: int
    """Rendered for training."""
    validation: int
    model: ModelConfig
    plan: Plan

    def scaled(self, scale: float) -> Recipe:
        """The same with every stage longer or shorter."""
        longer: dict[str, Any] = {}
        for stage in STAGES:
            schedule = self.plan.of(stage)
            steps = max(2, round(schedule.steps * scale))
            longer[stage] = dataclasses.replace(schedule, steps=steps)
        return dataclasses.replace(self, plan=dataclasses.replace(self.plan, **longer))


def find_recipe(name: str) -> Path:
    """A recipe's file: a built-in one by name, or any by path. Raises BadModel."""
    asked = Path(name)
    bare = len(asked.parts) == 1 and not asked.suffix
    found = [place / f"{name}.yaml" for place in places("configs")] if bare else [asked]
    for path in found:
        if path.is_file():
            return path
    raise BadModel(f"There is no recipe '{name}'; name a YAML file, or nano.")


def load_recipe(path: Path, vocabulary: int) -> Recipe:
    """Read and check a recipe; the grammar decides ``vocabulary`` and what can be named.

    Raises BadModel with a sentence.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # YAML takes JSON's 4e-05 for a word.
        raw = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise BadModel(f"{path} cannot be read as a recipe: {error}.") from error
    if isinstance(raw, dict) and isinstance(raw.get("model"), dict):
        model = raw["model"]
        if isinstance(model.get("decoder"), dict):
            model["decoder"]["vocabulary"] = vocabulary
        model["names"] = {
            "objects": list(grammar.KINDS),
            "plurals": [grammar.PLURALS.get(kind, "") for kind in grammar.KINDS],
            "things": list(THINGS),
            "colours": list(grammar.COLOURS),
            "scenes": list(grammar.SCENES),
        }
    recipe: Recipe = build(Recipe, raw, path)
    check(recipe.model, path)
    return recipe


def claim(folder: Path, recipe: Recipe) -> None:
    """Note in a work folder whose it is: another recipe's checkpoints must not be gone on with.

    Raises BadModel with a sentence where the folder is another recipe's.
    """
    path, text = folder / "recipe.json", json.dumps(dataclasses.asdict(recipe), indent=2) + "\n"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise BadModel(
            f"{folder} holds the frames and checkpoints of another recipe (recipe.json); "
            "name another folder with --work, or delete this one."
        )
