"""The model card of the built-in model, written from its config, recipe and scores.

Write it with ``python -m mmser_ros.train.card engines/nano`` after ``mmser eval``.
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from mmser_ros.model.config import ModelConfig, load_config
from mmser_ros.train.recipe import find_recipe, load_recipe

ROWS = (
    ("chair_i", "mentions of objects that are not there (CHAIRi)"),
    ("chair_s", "captions with such a mention (CHAIRs)"),
    ("class_precision", "named objects that are there"),
    ("class_recall", "objects that are named"),
    ("colour_accuracy", "colour, of the objects found"),
    ("side_accuracy", "side, of the objects found"),
    ("scene", "kind of scene"),
    ("path_state", "path state"),
    ("false_clear", "called clear, of the frames where it is not"),
    ("exact_match", "whole caption right, word for word"),
)
LOOKS = {
    "coarse": "coarse",
    "refined": "refined",
    "refined_true_draft": "true draft",
    "refined_shuffled_draft": "shuffled draft",
}


def card(folder: Path) -> str:
    """The text of the model card of a folder with config.json and scores.json."""
    config = load_config(folder / "config.json")
    scores: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    made: dict[str, Any] = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    plan = load_recipe(find_recipe(config.name), config.decoder.vocabulary).plan
    heads = ["", *LOOKS.values()]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---|" * len(LOOKS)]
    for key, words in ROWS:
        values = (f"{100 * scores[look][key]:.1f}" for look in LOOKS)
        lines.append(f"| {words} | " + " | ".join(values) + " |")
    template = resources.files("mmser_ros.train").joinpath("card.md").read_text(encoding="utf-8")
    return template.format(
        name=config.name,
        version=config.version,
        weights_hash=scores["weights_hash"],
        engine=scores["engine"],
        precision=scores["precision"],
        objects=listed(config, "objects"),
        colours=listed(config, "colours"),
        scenes=listed(config, "scenes"),
        n=scores["n"],
        width=scores["scenes"]["width"],
        height=scores["scenes"]["height"],
        scores="\n".join(lines),
        changed=100 * scores["changed"],
        coarse_calls=scores["decoder_calls"]["coarse"],
        refined_calls=scores["decoder_calls"]["refined"],
        frames=made["frames"],
        validation=made["validation"],
        parameters=made["parameters"] / 1e6,
        own=100 * plan.own,
        rules=100 * plan.rules,
        foreign=100 * plan.foreign,
        none=100 * (1 - plan.own - plan.rules - plan.foreign),
        stages=", ".join(f"{name} {steps} steps" for name, steps in made["steps"].items()),
        tokens=config.visual_tokens,
        vision_width=config.vision.width,
        image_width=config.image.width,
        image_height=config.image.height,
        taps=" and ".join(map(str, config.vision.taps)),
        rows=config.image.rows,
        columns=config.image.columns,
        depth=config.decoder.depth,
        decoder_width=config.decoder.width,
        vocabulary=config.decoder.vocabulary,
    )


def listed(config: ModelConfig, kind: str) -> str:
    """Names that the model knows, as a sentence says them."""
    names = config.names[kind]
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def main(arguments: list[str]) -> int:
    """Write README.md into the model folder."""
    if len(arguments) != 1:
        print("usage: python -m mmser_ros.train.card MODEL_FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    (folder / "README.md").write_text(card(folder), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
