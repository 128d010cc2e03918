"""Drafts by rules that the text alone does not give away."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmser_ros.train.drafts import random_facts
from mmser_ros.train.foils import Foils, Usual, coherent, is_in_the_way
from mmser_ros.world import grammar
from mmser_ros.world.grammar import Facts, Item, Path

CHAIR = Item("chair", "red", "close", "ahead")
BOX = Item("box", "blue", "midway", "left", relation="next to", other="chair")
SHUT = Item("door", "white", "far", "right", "closed")
FACTS = Facts("room", "blue", "wooden", (CHAIR, BOX, SHUT), Path("blocked", "chair", "left"))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def usual() -> Usual:
    """Of captions in which chairs are red and never blue."""
    said = [grammar.caption(coherent(random_facts(rng(n)), rng(n))) for n in range(400)]
    return Usual(text.replace("blue chair", "red chair") for text in said)


def test_chances_are_those_of_the_captions() -> None:
    known = Usual(["a red chair .", "a red box .", "a red chair ."])
    chance = {text: math.exp(known.log_chance(text)) for text in ("a red chair .", "a red box .")}
    assert chance["a red chair ."] > chance["a red box ."] > 0
    assert 0 < math.exp(known.log_chance("a blue ladder .")) < chance["a red box ."]
    whole = sum(math.exp(known.log_chance(text)) for text in ("a red chair .", "a red box ."))
    assert whole < 1


def test_what_is_coherent_stays() -> None:
    assert coherent(FACTS, rng()) == FACTS


@pytest.mark.parametrize(
    ("items", "path", "expected"),
    [
        ((BOX, CHAIR), Path("clear"), Path("blocked", "chair", "left")),
        ((BOX,), Path("blocked", "chair", "left"), Path("clear")),
        ((BOX,), Path("blocked", "wall", "none"), Path("blocked", "wall", "none")),
        ((CHAIR,), Path("unseen"), Path("unseen")),
        ((Item("door", "red", "close", "ahead", "open"),), Path("clear"), Path("clear")),
    ],
)
def test_the_path_follows_what_stands_in_it(
    items: tuple[Item, ...], path: Path, expected: Path
) -> None:
    found = coherent(Facts("room", "blue", "wooden", items, path), rng()).path
    assert (found.state, found.blocker) == (expected.state, expected.blocker)


def test_things_come_nearest_first_and_stand_to_what_is_named() -> None:
    jumbled = Facts("room", "blue", "wooden", (SHUT, BOX, CHAIR), Path("clear"))
    assert [item.cls for item in coherent(jumbled, rng()).items] == ["chair", "box", "door"]
    alone = Facts("room", "blue", "wooden", (BOX,), Path("clear"))
    assert coherent(alone, rng()).items[0].relation == ""
    before = Item("bin", "grey", "far", "right", relation="in front of", other="door")
    kept = Facts("room", "blue", "wooden", (before, SHUT), Path("clear"))
    assert coherent(kept, rng()).items[0].relation == "in front of"


def test_foils_are_wrong_coherent_and_usual() -> None:
    foils, random = Foils(usual()), rng(1)
    kinds = set()
    for _ in range(300):
        foil, kind = foils.changed(FACTS, random)
        kinds.add(kind)
        if kind:
            assert grammar.caption(foil) != grammar.caption(FACTS)
            assert coherent(foil, rng()) == foil
            assert len(foil.items) <= grammar.MOST_NAMED
            assert foil.path.state != "clear" or not any(map(is_in_the_way, foil.items))
    assert {"band", "side", "drop", "path"} <= kinds
    said = " ".join(grammar.caption(foils.make(FACTS, 1, random)) for _ in range(300))
    assert said.count("blue chair") < said.count("red chair") / 20


def test_no_change_is_the_truth() -> None:
    assert Foils(usual()).make(FACTS, 0, rng()) == FACTS
