"""Drafts by rules."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mmser_ros.train.drafts import (
    ANYTHING,
    CHANGES,
    Confusions,
    change,
    perturb,
    random_facts,
    settled,
    stammer,
)
from mmser_ros.world import grammar
from mmser_ros.world.grammar import Facts, Item, Path

FACTS = Facts(
    "corridor",
    "white",
    "tiled",
    (
        Item("chair", "red", "close", "ahead", count=2),
        Item("ball", "blue", "close", "left", relation="on", other="table"),
        Item("glass door", "", "far", "right", "open"),
        Item("stairs up", "", "far", "ahead"),
    ),
    Path("blocked", "chair", "left"),
)


def test_no_change_is_the_true_caption() -> None:
    assert perturb(FACTS, 0, np.random.default_rng(0)) == FACTS


@pytest.mark.parametrize("kind", CHANGES)
def test_each_kind_makes_a_caption_wrong_and_keeps_its_grammar(kind: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(80):
        wrong = grammar.caption(change(FACTS, kind, rng))
        assert wrong != grammar.caption(FACTS)
        assert grammar.parse(wrong).unparsed == ()


def test_kinds_keep_to_the_attributes_that_they_have() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        for item in perturb(FACTS, 3, rng).items:
            assert bool(item.state) == (item.cls in grammar.DOORS)
            assert bool(item.colour) == grammar.has_colour(item.cls)
            assert item.count == 1 or grammar.is_counted(item.cls)


def test_things_are_taken_for_what_the_encoder_takes_them_for() -> None:
    size = len(grammar.KINDS)
    seen = np.eye(size) * 100
    seen[grammar.KINDS.index("chair"), grammar.KINDS.index("sofa")] = 9
    rng = np.random.default_rng(0)
    found = [Confusions(seen).other("chair", rng) for _ in range(300)]
    assert 0.7 < found.count("sofa") / 300 < 0.9 and "chair" not in found
    assert len({Confusions(seen).other("ball", rng) for _ in range(300)}) > 15  # never mistaken
    assert len({ANYTHING.other("chair", rng) for _ in range(300)}) > 15


def test_scene_and_path_state_stand_as_they_were_said() -> None:
    said = grammar.parse("a room with blue walls and a wooden floor . the path is clear .")
    found = settled(FACTS, said)
    assert (found.scene, found.path) == ("room", Path("clear"))
    assert (found.wall, found.floor, found.items) == (FACTS.wall, FACTS.floor, FACTS.items)
    assert settled(FACTS, grammar.parse("")) == FACTS  # nothing was said


def test_what_blocks_the_path_is_judged_anew_if_its_state_is_right() -> None:
    said = dataclasses.replace(FACTS, path=Path("blocked", "box", "none"))
    assert settled(FACTS, said) == FACTS


def test_a_stammer_says_nothing_new() -> None:
    rng = np.random.default_rng(4)
    longer = {len(stammer(FACTS, rng).items) for _ in range(50)}
    assert longer == {5, 6, 7, 8}
    assert set(stammer(FACTS, rng).items) == set(FACTS.items)
    bare = dataclasses.replace(FACTS, items=())
    assert stammer(bare, rng) == bare


def test_a_caption_without_things_can_be_perturbed() -> None:
    bare = Facts("room", "blue", "wooden", (), Path("clear"))
    rng = np.random.default_rng(2)
    found = {grammar.caption(perturb(bare, 1, rng)) for _ in range(200)}
    assert grammar.caption(bare) in found  # nothing there that could be changed
    assert len(found) > 5


def test_invented_scenes_speak_the_grammar() -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        text = grammar.caption(random_facts(rng))
        assert grammar.caption(grammar.parse(text)) == text
        assert set(text.split()) <= set(grammar.words())
