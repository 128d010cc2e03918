"""Drafts by rules that the text alone does not give away."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mmser_ros.train.discriminator import Discriminator
from mmser_ros.train.drafts import random_facts
from mmser_ros.train.foils import Foils, coherent, is_in_the_way
from mmser_ros.world import grammar
from mmser_ros.world.grammar import Facts, Item, Path

CHAIR = Item("chair", "red", "close", "ahead")
PAINTED = dataclasses.replace(CHAIR, colour="blue")
BOX = Item("box", "blue", "midway", "left", relation="next to", other="chair")
SHUT = Item("door", "white", "far", "right", "closed")
FACTS = Facts("room", "blue", "wooden", (CHAIR, BOX, SHUT), Path("blocked", "chair", "left"))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scenes(count: int, first: int = 0) -> list[Facts]:
    """Facts in which things are red, and at most two of them are named."""
    made = []
    for n in range(first, first + count):
        facts = coherent(random_facts(rng(n)), rng(n))
        items = [
            dataclasses.replace(item, colour="red" if item.colour else "")
            for item in facts.items[:2]
        ]
        made.append(coherent(dataclasses.replace(facts, items=tuple(items)), rng(n)))
    return made


@pytest.fixture(scope="module")
def learnt() -> Foils:
    pytest.importorskip("torch", reason="foils learn with torch")
    return Foils.learnt(scenes(1500))


def test_wording_tells_what_is_true() -> None:
    pytest.importorskip("torch", reason="foils learn with torch")
    red, blue = FACTS, dataclasses.replace(FACTS, items=(PAINTED, BOX, SHUT))
    judge = Discriminator.fit([(red, blue)] * 50)
    assert judge.score(red) > judge.score(blue)
    assert judge.score(red) == Discriminator.fit([(red, blue)] * 50).score(red)


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


def test_foils_are_wrong_and_coherent() -> None:
    foils, random = Foils(), rng(1)
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


def test_foils_are_worded_as_truths_are(learnt: Foils) -> None:
    def made(foils: Foils) -> tuple[float, float]:
        """Of the things in foils, how many are not red; how many more there are than were."""
        truths = scenes(600, first=5000)
        wrong = [foils.make(truth, 2, rng(n)) for n, truth in enumerate(truths)]
        assert sum(a != b for a, b in zip(truths, wrong, strict=True)) > 200
        painted = [item.colour != "red" for facts in wrong for item in facts.items if item.colour]
        more = sum(len(b.items) - len(a.items) for a, b in zip(truths, wrong, strict=True))
        return sum(painted) / len(painted), more / len(truths)

    told, untold = made(learnt), made(Foils())
    assert told[0] < 0.05 < 0.3 < untold[0]
    assert abs(told[1]) < 0.1


def test_no_change_is_the_truth() -> None:
    assert Foils().make(FACTS, 0, rng()) == FACTS
