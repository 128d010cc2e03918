"""Facts that a second look mends or breaks, counted by hand."""

from __future__ import annotations

import pytest

from mmser_ros.metrics.repair import invented, judged, repair
from mmser_ros.world.grammar import caption, parse

SCENE = "a corridor with white walls and a tiled floor ."
TRUTH = parse(
    f"{SCENE} a red chair close ahead . a blue box far left . "
    "the path is blocked by a chair , left free ."
)


def test_every_fact_that_should_be_stated_is_judged() -> None:
    found = judged(
        f"{SCENE} a red chair close left . the path is blocked by a box , left free .", TRUTH
    )
    wrong = {key for key, right in found.items() if not right}
    box = {(kind, 1, 0) for kind in ("class", "colour", "band", "side")}
    assert wrong == {("side", 0, 0), ("blocker", -1, 0), *box}
    assert len(found) == 3 + 3 + 2 * 4


def test_items_of_nothing_are_invented() -> None:
    text = f"{SCENE} a red chair close ahead . a red chair far left . the path is clear ."
    assert invented(text, TRUTH) == {("class", "chair", "chair"): 1}
    text = f"{SCENE} two red chairs close ahead next to a ball ."
    assert invented(text, TRUTH) == {
        ("class", "chair", "chair"): 1,
        ("count", "chair", "two"): 1,
        ("relation", "chair", "next to a ball"): 1,
    }


def test_the_things_of_a_group_are_judged_one_by_one() -> None:
    truth = parse(f"{SCENE} three red chairs close ahead . the path is clear .")
    texts = [
        f"{SCENE} two red chairs close ahead . the path is clear .",
        f"{SCENE} a red chair close ahead . a blue chair far left . the path is clear .",
        "nothing",
    ]
    found = [judged(text, truth) for text in texts]
    assert found[0].keys() == found[1].keys() == found[2].keys()
    for one in found[:2]:
        assert [one["class", 0, n] for n in range(3)] == [True, True, False]
        assert not one["count", 0, 0] and one["colour", 0, 0]
    assert repair(texts[:1], [caption(truth)], [truth])["repaired"] == 1


def test_repairs_and_damage_are_shares_of_wrong_and_right_facts() -> None:
    draft = (
        f"{SCENE} a red chair close left . a blue box far left . a green ball far right . "
        "the path is blocked by a chair , left free ."
    )
    better = (
        f"{SCENE} a red chair close ahead . a grey box far left . "
        "the path is blocked by a chair , left free ."
    )
    found = repair([draft], [better], [TRUTH])
    assert (found["wrong"], found["right"]) == (2, 13)  # the side, the ball; all else
    assert found["repaired"] == 1.0 and found["damaged"] == pytest.approx(1 / 13)
    assert repair([draft], [draft], [TRUTH])["repaired"] == 0
    assert repair([better], [draft], [TRUTH])["damaged"] == pytest.approx(2 / 13)


def test_captions_and_truths_go_together() -> None:
    with pytest.raises(ValueError):
        repair([SCENE], [], [TRUTH])
