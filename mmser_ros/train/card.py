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
from mmser_ros.train.claims import Results, duration, percent, sections, table
from mmser_ros.train.recipe import find_recipe, load_recipe

ROWS = (
    ("chair_i", "mentions of things that are not there (CHAIRi)"),
    ("chair_s", "captions with such a mention (CHAIRs)"),
    ("class_precision", "named things that are there"),
    ("class_recall", "things that are named"),
    ("recall_1pct", "of those that cover 1 % of the image"),
    ("colour_accuracy", "colour, of the things found"),
    ("band_accuracy", "distance"),
    ("side_accuracy", "side"),
    ("state_accuracy", "open or closed"),
    ("count_accuracy", "number, where there are several"),
    ("relation_accuracy", "relation, where there is one"),
    ("scene", "kind of scene"),
    ("path_state", "path state"),
    ("blocker", "what blocks it, of the paths rightly called blocked"),
    ("free", "which side is free, of these"),
    ("false_clear", "called clear, of the frames where the path is blocked"),
    ("unfounded_clear", "called clear, of those where it is blocked or cannot be seen"),
    ("trusted_false_clear", "called clear by a trusted caption, of the blocked"),
    ("fact_precision", "facts said that are so"),
    ("fact_recall", "facts that are said"),
    ("fact_f1", "F1 of these"),
    ("exact_match", "whole caption right, word for word"),
)
LOOKS = {
    "coarse": "coarse",
    "refined": "refined",
    "refined_true_draft": "true draft",
    "refined_blank_draft": "no draft",
    "refined_shuffled_draft": "shuffled draft",
}


def card(folder: Path, results: Path | None = None) -> str:
    """The text of the model card of a folder with config.json, scores.json and training.json.

    ``results`` is the folder of other measurements; by default that of the repository which
    the model folder lies in.
    """
    config = load_config(folder / "config.json")
    scores: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    made: dict[str, Any] = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    results = results or folder.resolve().parents[1] / "benchmarks" / "results"
    plan = load_recipe(find_recipe(config.name), config.decoder.vocabulary).plan
    measured = Results(results, scores["weights_hash"], made["glance"])
    looks = [(words, *(percent(scores[look][key]) for look in LOOKS)) for key, words in ROWS]
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
        scores=table(("", *LOOKS.values()), looks),
        claims=sections(scores, measured),
        changed=100 * scores["changed"],
        coarse_calls=scores["decoder_calls"]["coarse"],
        refined_calls=scores["decoder_calls"]["refined"],
        frames=made["frames"],
        validation=made["validation"],
        parameters=made["parameters"] / 1e6,
        own=100 * plan.own,
        rules=100 * plan.rules,
        none=100 * (1 - plan.own - plan.rules),
        unseen=100 * plan.unseen,
        stages=", ".join(f"{name} {steps} steps" for name, steps in made["steps"].items()),
        duration=duration(measured.of("training_time"), made),
        tokens=config.visual_tokens,
        vision_width=config.vision.width,
        image_width=config.image.width,
        image_height=config.image.height,
        canvas="x".join(map(str, reversed(config.image.canvas))),
        zoom=config.image.zoom,
        crops=config.image.crops,
        taps=" and ".join(map(str, config.vision.taps)),
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
    if len(arguments) not in (1, 2):
        print("usage: python -m mmser_ros.train.card MODEL_FOLDER [RESULTS]", file=sys.stderr)
        return 2
    folder, *results = map(Path, arguments)
    (folder / "README.md").write_text(card(folder, *results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
