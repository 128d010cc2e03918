"""What the second look is given to learn from."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from accelerate import Accelerator

from mmser_ros.model.mmser import MmSer
from mmser_ros.tokens import build_word_level
from mmser_ros.train.lessons import Lessons
from mmser_ros.train.recipe import find_recipe, load_recipe
from mmser_ros.train.stages import Trainer
from mmser_ros.world import grammar

TOKENIZER = build_word_level(grammar.words())
TRUTH = (
    "a room with blue walls and a wooden floor . a red chair close ahead . "
    "the path is blocked by a chair , left free ."
)
SAID = (
    "a corridor with blue walls and a wooden floor . a red box close left . "
    "a brown table far right . the path is clear ."
)
KEPT = (
    "a corridor with blue walls and a wooden floor . a red chair close ahead . the path is clear ."
)
"""The truth, with scene and path state as they were said."""
OTHER = "a warehouse with white walls and a tiled floor . the path cannot be seen ."
LESSONS = 400


@dataclasses.dataclass
class Frames:
    """Two rendered frames, as far as drafts need them."""

    facts: list[grammar.Facts]
    captions: list[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.facts)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    recipe = load_recipe(find_recipe("nano"), TOKENIZER.vocabulary)
    plan = dataclasses.replace(recipe.plan, own=0.6, rules=0.2, foreign=0.1)
    return Trainer(
        MmSer(recipe.model),
        TOKENIZER,
        dataclasses.replace(recipe, plan=plan),
        tmp_path_factory.mktemp("work"),
        Accelerator(cpu=True),
    )


def lessons(trainer: Trainer, again: bool, kind: float, said: str = SAID) -> set[tuple[str, str]]:
    """All that is given for one kind of draft."""
    texts = [TRUTH, OTHER]
    frames: Any = Frames(
        [grammar.parse(text) for text in texts], [TOKENIZER.encode(text) for text in texts]
    )
    rng = np.random.default_rng(0)
    own = {0: list(TOKENIZER.encode(said))}
    limit = trainer.model.config.prompt.limit
    all_of_them = Lessons(trainer.plan, TOKENIZER, limit, frames, own)
    give = all_of_them.again if again else all_of_them.first
    given = [give(0, kind, rng) for _ in range(LESSONS)]
    return {(TOKENIZER.decode(draft), TOKENIZER.decode(caption)) for draft, caption in given}


def test_the_first_round_asks_for_the_truth(trainer: Trainer) -> None:
    assert lessons(trainer, False, 0.1) == {(SAID, TRUTH)}
    assert lessons(trainer, False, 0.95) == {("", TRUTH)}
    assert lessons(trainer, False, 0.85) == {(TRUTH, TRUTH), (OTHER, TRUTH)}
    by_rules = lessons(trainer, False, 0.7)
    assert {caption for _, caption in by_rules} == {TRUTH}
    paths = {grammar.parse(draft).path.state for draft, _ in by_rules}
    assert len(paths) > 1


def test_the_second_round_lets_scene_and_path_state_stand(trainer: Trainer) -> None:
    own = lessons(trainer, True, 0.1)
    assert {caption for _, caption in own} == {KEPT}
    drafts = {draft for draft, _ in own}
    assert SAID in drafts and len(drafts) > 5  # some of them stammer
    assert all(set(grammar.parse(d).items) == set(grammar.parse(SAID).items) for d in drafts)
    by_rules = lessons(trainer, True, 0.7)
    assert {caption for _, caption in by_rules} == {KEPT}
    found = [grammar.parse(draft) for draft, _ in by_rules]
    assert {(facts.scene, facts.path.state) for facts in found} == {("corridor", "clear")}
    assert len({facts.items for facts in found}) > 20


def test_drafts_that_say_nothing_of_the_frame_are_mended(trainer: Trainer) -> None:
    assert lessons(trainer, True, 0.95) == {("", TRUTH)}
    assert lessons(trainer, True, 0.85) == {(TRUTH, TRUTH), (OTHER, TRUTH)}
    lost = "a red box close left . a red box close left ."
    assert lessons(trainer, True, 0.1, lost) == {(lost, TRUTH)}


def test_a_long_stammer_is_cut_where_captions_end(trainer: Trainer) -> None:
    item = "an open brown door midway right . "
    said = SAID.replace("the path", 5 * item + "the path")
    limit = trainer.model.config.prompt.limit
    longest = max(len(draft.split()) for draft, _ in lessons(trainer, True, 0.1, said))
    assert longest == limit
