"""The most probable tokens, their chances, and steps that are begun before they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from mmser_ros.runtime.scores import HostScores, choose, one_ahead


def test_chance_is_the_softmax_at_the_chosen_token():
    logits = np.array([0.5, 2.0, 2.0, -1e4], np.float32)
    token, chance = choose(logits)
    assert token == 1  # the first of equals
    weights = np.exp(logits.astype(float))
    assert chance == pytest.approx(weights[1] / weights.sum())
    assert choose(np.array([1e4, -1e4], np.float32)) == (0, 1.0)


def test_best_of_every_position_in_order():
    logits = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    found = list(HostScores(logits).best())
    assert found == [choose(row) for row in logits]
    assert [token for token, _ in found] == logits.argmax(-1).tolist()


def steps(told: list[str]):
    """Steps 0, 1, 2 ... that tell when each is begun and when it is waited for."""
    numbers = iter(range(100))

    def begin():
        number = next(numbers)
        told.append(f"begin {number}")

        def wait():
            told.append(f"wait {number}")
            return number, 0.5

        return wait

    return begin


def test_each_step_is_begun_before_the_one_before_it_is_waited_for():
    told: list[str] = []
    assert list(one_ahead(steps(told), 3)) == [(0, 0.5), (1, 0.5), (2, 0.5)]
    assert told == ["begin 0", "begin 1", "wait 0", "begin 2", "wait 1", "wait 2"]


def test_who_stops_early_has_begun_one_step_in_vain():
    told: list[str] = []
    ahead = one_ahead(steps(told), 100)
    assert told == []  # nothing is begun before it is asked for
    next(ahead)
    ahead.close()
    assert told == ["begin 0", "begin 1", "wait 0"]
    assert list(one_ahead(steps(told), 0)) == []
