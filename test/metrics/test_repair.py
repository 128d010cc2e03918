"""Facts that a second look mends or breaks, counted by hand."""

from __future__ import annotations

import pytest

from mmser_ros.metrics.repair import invented, judged, repair
from mmser_ros.world.grammar import parse

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
    box = {(kind, 1) for kind in ("class", "colour", "band", "side")}
    assert wrong == {("side", 0), ("blocker", -1), *box}
    assert len(found) == 3 + 3 + 2 * 4


def test_items_of_nothing_are_invented() -> None:
    text = f"{SCENE} a red chair close ahead . a red chair far left . the path is clear ."
    assert invented(text, TRUTH) == {"chair": 1}


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
