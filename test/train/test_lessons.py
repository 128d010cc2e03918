"""What the second look is given to learn from."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from mmser_ros.tokens import build_word_level
from mmser_ros.train.foils import Foils
from mmser_ros.train.lessons import Lessons
from mmser_ros.train.recipe import Plan, find_recipe, load_recipe
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
LESSONS, LIMIT = 400, 88


@dataclasses.dataclass
class Frames:
    """Two rendered frames, as far as drafts need them."""

    facts: list[grammar.Facts]
    captions: list[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.facts)


@pytest.fixture(scope="module")
def plan() -> Plan:
    recipe = load_recipe(find_recipe("nano"), TOKENIZER.vocabulary)
    return dataclasses.replace(recipe.plan, own=0.6, rules=0.3)


def lessons(plan: Plan, again: bool, kind: float, said: str = SAID) -> set[tuple[str, str]]:
    """All that is given for one kind of draft."""
    texts = [TRUTH, OTHER]
    frames: Any = Frames(
        [grammar.parse(text) for text in texts], [TOKENIZER.encode(text) for text in texts]
    )
    rng = np.random.default_rng(0)
    own = {0: list(TOKENIZER.encode(said))}
    all_of_them = Lessons(plan, TOKENIZER, LIMIT, frames, own, Foils())
    give = all_of_them.again if again else all_of_them.first
    given = [give(0, kind, rng) for _ in range(LESSONS)]
    return {(TOKENIZER.decode(draft), TOKENIZER.decode(caption)) for draft, caption in given}


def test_the_first_round_asks_for_the_truth(plan: Plan) -> None:
    assert lessons(plan, False, 0.1) == {(SAID, TRUTH)}
    assert lessons(plan, False, 0.95) == {("", TRUTH)}
    by_rules = lessons(plan, False, 0.7)
    assert {caption for _, caption in by_rules} == {TRUTH}
    paths = {grammar.parse(draft).path.state for draft, _ in by_rules}
    assert len(paths) > 1


def test_the_second_round_lets_scene_and_path_state_stand(plan: Plan) -> None:
    own = lessons(plan, True, 0.1)
    assert {caption for _, caption in own} == {KEPT}
    drafts = {draft for draft, _ in own}
    assert SAID in drafts and len(drafts) > 5  # some of them stammer
    assert all(set(grammar.parse(d).items) == set(grammar.parse(SAID).items) for d in drafts)
    by_rules = lessons(plan, True, 0.7)
    assert {caption for _, caption in by_rules} == {KEPT}
    found = [grammar.parse(draft) for draft, _ in by_rules]
    assert {(facts.scene, facts.path.state) for facts in found} == {("corridor", "clear")}
    assert len({facts.items for facts in found}) > 20


def test_drafts_that_say_nothing_are_mended(plan: Plan) -> None:
    assert lessons(plan, True, 0.95) == {("", TRUTH)}
    lost = "a red box close left . a red box close left ."
    assert lessons(plan, True, 0.1, lost) == {(lost, TRUTH)}


def test_a_long_stammer_is_cut_where_captions_end(plan: Plan) -> None:
    item = "an open brown door midway right . "
    said = SAID.replace("the path", 8 * item + "the path")
    longest = max(len(draft.split()) for draft, _ in lessons(plan, True, 0.1, said))
    assert longest == LIMIT
