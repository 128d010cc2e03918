"""Scores held against bars."""

from __future__ import annotations

from mmser_ros.metrics.bars import BARS, Bar, held_against

SCORES = {"refined": {"chair_i": 0.03, "exact_match": 0.6}, "coarse": {"chair_i": 0.06}}


def test_bars_are_at_most_or_at_least() -> None:
    most, least = Bar("refined.chair_i", 0.025, most=True), Bar("refined.exact_match", 0.55)
    assert [bar["met"] for bar in held_against(SCORES, (most, least))] == [False, True]
    assert [bar["at"] for bar in held_against(SCORES, (most, least))] == ["most", "least"]


def test_a_score_can_be_a_share_of_another() -> None:
    (found,) = held_against(SCORES, [Bar("refined.chair_i", 0.75, True, of="coarse.chair_i")])
    assert found["value"] == 0.5 and found["met"]
    assert found["name"] == "refined.chair_i / coarse.chair_i"
    nothing = {"refined": {"chair_i": 0.0}, "coarse": {"chair_i": 0.0}}
    (found,) = held_against(nothing, [Bar("refined.chair_i", 0.75, True, of="coarse.chair_i")])
    assert found["value"] is None and not found["met"]


def test_what_is_not_scored_is_not_met() -> None:
    assert not any(bar["met"] for bar in held_against({}))
    assert len(held_against({})) == len(BARS)
