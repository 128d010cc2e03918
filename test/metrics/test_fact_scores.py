from __future__ import annotations

import math

import pytest

from mmser_ros.metrics.facts import FALSE, MISSING, RIGHT, UNNAMED, WRONG, compare, score
from mmser_ros.world.grammar import BLOCKED, CLEAR, UNSEEN, Facts, Item, Path, caption

HEAD = "a room with white walls and a tiled floor . "
CHAIR = Item("chair", "red", "close", "ahead")
BALL = Item("ball", "blue", "far", "left")
DOOR = Item("door", "brown", "far", "right", "open")
ALL_CLEAR = Path(CLEAR)


def truth(*items: Item, path: Path = ALL_CLEAR, optional: tuple[Item, ...] = ()) -> Facts:
    return Facts("room", "white", "tiled", items=items, path=path, optional=optional)


def test_the_true_caption_is_perfect() -> None:
    truths = [
        truth(CHAIR, BALL, DOOR),
        truth(path=Path(UNSEEN)),
        truth(CHAIR, path=Path(BLOCKED, "chair", "left")),
    ]
    found = score([caption(facts) for facts in truths], truths)
    assert found == {
        "n": 3,
        "chair_i": 0,
        "chair_s": 0,
        "class_precision": 1,
        "class_recall": 1,
        "colour_accuracy": 1,
        "side_accuracy": 1,
        "scene": 1,
        "path_state": 1,
        "false_clear": 0,
        "exact_match": 1,
    }


def test_what_is_not_there_is_a_hallucination() -> None:
    said = (
        HEAD + "a red chair close ahead . a blue sofa far left . an open red door far left . "
        "the path is clear ."
    )
    found = score([said, caption(truth(CHAIR))], [truth(CHAIR), truth(CHAIR)])
    assert found["chair_i"] == pytest.approx(2 / 4)
    assert found["chair_s"] == 0.5
    assert found["class_precision"] == 0.5
    assert found["class_recall"] == 1
    assert found["exact_match"] == 0.5


def test_a_blocker_that_is_not_there_is_a_hallucination_once() -> None:
    said = HEAD + "the path is blocked by a sofa , no free side ."
    assert score([said], [truth()])["chair_i"] == 1
    said = HEAD + "a red sofa close ahead . the path is blocked by a sofa , no free side ."
    assert score([said], [truth(CHAIR)])["chair_i"] == 1
    assert score([said], [truth(Item("sofa", "red", "close", "ahead"))])["chair_i"] == 0


def test_a_wall_is_no_object() -> None:
    said = HEAD + "the path is blocked by a wall , no free side ."
    found = score([said], [truth(path=Path(BLOCKED, "wall", "none"))])
    assert found["chair_i"] == 0
    assert found["exact_match"] == 1


def test_one_too_many_of_a_visible_class_costs_precision_but_is_no_hallucination() -> None:
    said = HEAD + "a red chair close ahead . a blue chair far left . the path is clear ."
    found = score([said], [truth(CHAIR)])
    assert (found["chair_i"], found["class_precision"], found["class_recall"]) == (0, 0.5, 1)


def test_saying_what_is_hardly_visible_costs_nothing() -> None:
    said = HEAD + "a red chair close ahead . a green ball far left . the path is clear ."
    found = score([said], [truth(CHAIR, optional=(BALL,))])
    assert (found["chair_i"], found["class_precision"], found["class_recall"]) == (0, 1, 1)
    assert found["colour_accuracy"] == 1
    assert found["exact_match"] == 0


def test_not_saying_what_is_hardly_visible_costs_nothing() -> None:
    found = score([caption(truth(CHAIR))], [truth(CHAIR, optional=(BALL,))])
    assert found["class_recall"] == found["exact_match"] == 1


def test_a_named_thing_is_matched_before_an_optional_one() -> None:
    named, faint = Item("ball", "green", "far", "right"), BALL
    said = HEAD + "a blue ball far left . the path is clear ."
    found = score([said], [truth(named, optional=(faint,))])
    assert (found["class_precision"], found["class_recall"]) == (1, 1)
    assert found["colour_accuracy"] == 0


def test_things_of_a_class_are_matched_by_what_agrees() -> None:
    other = Item("chair", "green", "far", "left")
    said = HEAD + "a green chair far left . a red chair close right . the path is clear ."
    found = score([said], [truth(CHAIR, other)])
    assert found["colour_accuracy"] == 1
    assert found["side_accuracy"] == 0.5


def test_missing_things_cost_recall_alone() -> None:
    found = score([HEAD + "the path is clear ."], [truth(CHAIR, BALL)])
    assert (found["class_recall"], found["class_precision"], found["chair_i"]) == (0, 1, 0)


def test_a_false_all_clear_is_counted_among_paths_that_are_not_clear() -> None:
    clear = HEAD + "the path is clear ."
    truths = [
        truth(),
        truth(path=Path(UNSEEN)),
        truth(CHAIR, path=Path(BLOCKED, "chair", "none")),
        truth(path=Path(UNSEEN)),
    ]
    said = [clear, clear, clear, HEAD + "the path cannot be seen ."]
    found = score(said, truths)
    assert found["false_clear"] == pytest.approx(2 / 3)
    assert found["path_state"] == 0.5


def test_nonsense_is_scored_and_never_raises() -> None:
    found = score(["", "chair chair .", "a red dog close left ."], [truth(CHAIR)] * 3)
    assert found["class_recall"] == found["scene"] == found["path_state"] == 0
    assert all(math.isfinite(value) and 0 <= value <= 1 for k, value in found.items() if k != "n")
    assert score([], [])["n"] == 0


def test_captions_and_truths_must_pair_up() -> None:
    with pytest.raises(ValueError, match="2 captions cannot be scored by 1 truths"):
        score(["", ""], [truth()])


def test_facts_are_compared_one_by_one() -> None:
    said = (
        "a corridor with white walls and a tiled floor . a blue chair close ahead . "
        "a green sign far left . a red ball far left . "
        "the path is blocked by a chair , left free ."
    )
    facts = truth(CHAIR, DOOR, path=Path(BLOCKED, "box", "left"), optional=(BALL,))
    found = [(f.kind, f.subject, f.verdict) for f in compare(said, facts)]
    assert found == [
        ("scene", "scene", WRONG),
        ("wall", "scene", RIGHT),
        ("floor", "scene", RIGHT),
        ("class", "chair", RIGHT),
        ("colour", "chair", WRONG),
        ("band", "chair", RIGHT),
        ("side", "chair", RIGHT),
        ("class", "ball", UNNAMED),
        ("colour", "ball", WRONG),
        ("band", "ball", RIGHT),
        ("side", "ball", RIGHT),
        ("class", "sign", FALSE),
        ("class", "door", MISSING),
        ("path", "path", RIGHT),
        ("blocker", "path", WRONG),
        ("free", "path", RIGHT),
    ]


def test_the_true_caption_compares_right() -> None:
    facts = truth(CHAIR, BALL, DOOR, path=Path(BLOCKED, "chair", "both"))
    assert all(fact.is_right for fact in compare(caption(facts), facts))
