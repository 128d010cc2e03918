"""Beam search finds what a search over everything finds, on one open sequence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hash_engine import END, VOCABULARY, HashEngine

from mmser_ros.decode import beam, greedy

PREFIX = (101, 102, 103)
PROMPT = (7, 8)


def chances(ids: tuple[int, ...]) -> np.ndarray:
    """Log-probabilities after ``ids``, from the engine's rule alone."""
    return beam.log_softmax(HashEngine().logits((*PREFIX, *PROMPT, *ids)))


def score(ids: tuple[int, ...], ended: bool) -> float:
    whole = (*ids, END) if ended else ids
    return sum(float(chances(whole[:place])[token]) for place, token in enumerate(whole))


def written(beams: int, limit: int, prompt=PROMPT, draft=()) -> greedy.Decoded:
    engine = HashEngine()
    found = beam.decode(engine, PREFIX, prompt, draft, end=END, limit=limit, beams=beams)
    assert found.calls == engine.calls
    return found


def plain_beam_search(prompt: tuple[int, ...], beams: int, limit: int) -> tuple[int, ...]:
    """By the book: every beginning read from its start, nothing stopped early."""
    engine = HashEngine()
    live, ended = [((), 0.0)], []
    for _ in range(limit):
        every = [
            ((*ids, token), total + float(chance))
            for ids, total in live
            for token, chance in enumerate(
                beam.log_softmax(engine.prefill(PREFIX, [*prompt, *ids], 1).logits()[0])
            )
        ]
        every.sort(key=lambda item: -item[1])
        ended += [(ids[:-1], total) for ids, total in every[:beams] if ids[-1] == END]
        live = [item for item in every if item[0][-1] != END][:beams]
    return max([*ended, *live], key=lambda item: item[1])[0]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_enough_beams_find_the_most_probable_of_all_captions(limit):
    words = [token for token in range(VOCABULARY) if token != END]
    every = [
        (ids, length < limit)
        for length in range(limit + 1)
        for ids in itertools.product(words, repeat=length)
    ]
    expected, ended = max(every, key=lambda item: score(*item))
    found = written(VOCABULARY**limit, limit)
    assert (found.ids, found.truncated) == (expected, not ended)


def test_few_beams_find_what_the_book_finds():
    random = np.random.default_rng(3)
    better = 0
    for _ in range(60):
        prompt = tuple(map(int, random.integers(1, VOCABULARY, 3)))
        for beams in (2, 3, 5):
            found = written(beams, 10, prompt)
            assert found.ids == plain_beam_search(prompt, beams, 10)
            better += (
                found.ids != greedy.decode(HashEngine(), PREFIX, prompt, end=END, limit=10).ids
            )
    assert better > 60, "the captions are too easy to test with"


def test_one_beam_is_greedy():
    random = np.random.default_rng(4)
    for _ in range(200):
        prompt = tuple(map(int, random.integers(1, VOCABULARY, 2)))
        limit = int(random.integers(1, 25))
        expected = greedy.decode(HashEngine(), PREFIX, prompt, end=END, limit=limit)
        found = written(1, limit, prompt)
        assert (found.ids, found.truncated) == (expected.ids, expected.truncated)
        assert found.probabilities == pytest.approx(expected.probabilities)
        assert found.calls == expected.calls


def test_draft_saves_calls_and_changes_nothing():
    random = np.random.default_rng(5)
    for _ in range(60):
        prompt = tuple(map(int, random.integers(1, VOCABULARY, 3)))
        alone = written(3, 12, prompt)
        drafts = (alone.ids, alone.ids[:2], tuple(map(int, random.integers(0, VOCABULARY, 20))))
        for draft in drafts:
            helped = written(3, 12, prompt, draft)
            assert (helped.ids, helped.truncated) == (alone.ids, alone.truncated)
            assert helped.probabilities == pytest.approx(alone.probabilities)
            assert helped.calls <= alone.calls
        assert len(alone.ids) < 2 or written(3, 12, prompt, alone.ids).calls < alone.calls


def test_probabilities_are_those_of_the_tokens():
    found = written(3, 8)
    expected = [float(chances(found.ids[:i])[token]) for i, token in enumerate(found.ids)]
    assert np.log(found.probabilities) == pytest.approx(expected)


def test_of_equally_probable_tokens_the_first_are_taken():
    logits = np.log(np.array([0.1, 0.2, 0.2, 0.3, 0.2]))
    assert [token for token, _ in beam.most_probable(logits, 3)] == [3, 1, 2]
    assert len(beam.most_probable(logits, 9)) == 5


def test_no_beam_is_refused():
    with pytest.raises(ValueError, match="at least one beam, not 0"):
        written(0, 5)
