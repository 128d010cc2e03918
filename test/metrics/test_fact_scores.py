from __future__ import annotations

import dataclasses
import math

import pytest

from mmser_ros.metrics.facts import (
    FALSE,
    MISSING,
    RIGHT,
    UNNAMED,
    WRONG,
    Fact,
    compare,
    compare_all,
)
from mmser_ros.metrics.scores import ERRORS, NAMES, by_kind, score, tallies, total
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
        **{n: 0 if n in ERRORS else 1 for n in NAMES if n != "trusted_false_clear"},
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


def test_a_false_all_clear_is_counted_among_paths_that_are_blocked() -> None:
    clear, unseen = HEAD + "the path is clear .", HEAD + "the path cannot be seen ."
    blocked = truth(CHAIR, path=Path(BLOCKED, "chair", "none"))
    truths = [truth(), truth(path=Path(UNSEEN)), blocked, blocked, truth(path=Path(UNSEEN))]
    said = [clear, clear, clear, unseen, unseen]
    found = score(said, truths)
    assert found["false_clear"] == 0.5
    assert found["unfounded_clear"] == 0.5
    assert found["path_state"] == pytest.approx(2 / 5)
    assert "trusted_false_clear" not in found


def test_a_planner_that_heeds_trusted_is_misled_by_trusted_captions_only() -> None:
    blocked = truth(CHAIR, path=Path(BLOCKED, "chair", "none"))
    said = [HEAD + "the path is clear ."] * 2 + [caption(blocked)] * 2
    found = score(said, [blocked] * 4, [True, False, True, True])
    assert (found["false_clear"], found["trusted_false_clear"]) == (0.5, 0.25)


def test_groups_are_as_many_things_as_they_count() -> None:
    """Three red chairs are there: two said together, then one and one of another colour."""
    three = Item("chair", "red", "close", "left", count=3)
    pair = HEAD + "two red chairs close left . the path is clear ."
    found = score([pair], [truth(three)])
    assert found["class_recall"] == pytest.approx(2 / 3)
    assert (found["class_precision"], found["chair_i"], found["count_accuracy"]) == (1, 0, 0)
    apart = HEAD + "a red chair close left . a blue chair far left . the path is clear ."
    found = score([apart], [truth(three)])
    assert found["class_recall"] == pytest.approx(2 / 3)
    assert found["colour_accuracy"] == 0.5


def test_a_group_of_things_that_stand_apart_names_each() -> None:
    apart = (CHAIR, Item("chair", "red", "far", "left"))
    found = score([HEAD + "two red chairs close ahead . the path is clear ."], [truth(*apart)])
    assert (found["class_recall"], found["class_precision"]) == (1, 1)
    assert (found["band_accuracy"], found["count_accuracy"]) == (0.5, 0)


def test_recall_of_large_things_leaves_small_ones_out() -> None:
    near = dataclasses.replace(CHAIR, share=0.05)
    small = dataclasses.replace(BALL, share=0.008)
    group = Item("box", "grey", "far", "right", count=2, share=0.016)
    found = score([caption(truth(near))], [truth(near, small, group)])
    assert found["recall_1pct"] == 1 and found["class_recall"] == 0.25
    assert score([HEAD], [truth(near, small)])["recall_1pct"] == 0


def test_relations_are_judged_where_one_is_said_or_true() -> None:
    on = Item("ball", "blue", "far", "left", relation="on", other="table")
    table = Item("table", "brown", "far", "left")
    facts = truth(on, table)
    for wording, verdict in (
        (" on a table", RIGHT),
        ("", MISSING),
        (" behind a table", WRONG),
        (" on a sofa", WRONG),
    ):
        said = HEAD + f"a blue ball far left{wording} . a brown table far left ."
        (fact,) = [fact for fact in compare(said, facts) if fact.kind == "relation"]
        assert (fact.verdict, fact.true) == (verdict, "on a table")
        assert score([said], [facts])["relation_accuracy"] == (verdict == RIGHT)
    said = HEAD + "a red chair close ahead next to a ball . a blue ball far left ."
    (fact,) = [fact for fact in compare(said, truth(CHAIR, BALL)) if fact.kind == "relation"]
    assert fact.verdict == FALSE and not fact.due


def test_what_something_stands_beside_is_one_mention() -> None:
    said = (
        HEAD + "a red chair close ahead next to a sofa . a blue ball far left behind a sofa . "
        "the path is blocked by a sofa , no free side ."
    )
    assert score([said], [truth(CHAIR, BALL)])["chair_i"] == pytest.approx(1 / 3)
    sofa = Item("sofa", "red", "close", "ahead")
    assert score([said], [truth(CHAIR, BALL, optional=(sofa,))])["chair_i"] == 0


def test_facts_have_precision_and_recall() -> None:
    """Said: 4 of the frame, a chair with 3 attributes, one of them wrong, a sofa with 3."""
    said = HEAD + "a blue chair close ahead . a red sofa far left . the path is clear ."
    facts = truth(CHAIR, BALL)
    found = score([said], [facts])
    assert found["fact_precision"] == pytest.approx(7 / 12)
    assert found["fact_recall"] == pytest.approx(7 / 12)
    assert found["fact_f1"] == pytest.approx(7 / 12)
    kinds = by_kind(total(tallies([said], [facts])))
    assert kinds["colour"] == {"precision": 0, "recall": 0, "f1": 0, "said": 2, "due": 2}
    assert kinds["class"]["recall"] == 0.5
    assert "state" not in kinds


def test_blockers_are_facts_only_of_blocked_paths() -> None:
    facts = truth(CHAIR, path=Path(BLOCKED, "chair", "left"))
    found = [
        fact for fact in compare_all(HEAD + "the path is clear .", facts) if fact.subject == "path"
    ]
    assert [(f.kind, f.verdict, f.implied) for f in found] == [
        ("path", WRONG, False), ("blocker", MISSING, True), ("free", MISSING, True),
    ]  # fmt: skip
    assert score([HEAD + "the path is clear ."], [facts])["blocker"] == 1  # none to judge


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
        "a green bin far left . a red ball far left . "
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
        ("class", "bin", FALSE),
        ("class", "door", MISSING),
        ("path", "path", RIGHT),
        ("blocker", "path", WRONG),
        ("free", "path", RIGHT),
    ]


def test_the_true_caption_compares_right() -> None:
    facts = truth(CHAIR, BALL, DOOR, path=Path(BLOCKED, "chair", "both"))
    assert all(fact.is_right for fact in compare(caption(facts), facts))


def test_what_is_said_of_nothing_there_is_wrong_with_it() -> None:
    found = compare_all(HEAD + "two red sofas far left on a table .", truth())
    assert [f for f in found if f.kind == "class"] == 2 * [
        Fact("class", "sofa", "sofa", "", FALSE, due=False)
    ]
    assert {f.kind: f.said for f in found if f.implied} == {
        "colour": "red", "band": "far", "side": "left", "count": "two", "relation": "on a table",
    }  # fmt: skip
