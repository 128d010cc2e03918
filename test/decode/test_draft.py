"""A draft changes how often the engine is called, never what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from hash_engine import END, VOCABULARY, HashEngine

from mmser_ros.decode import draft, greedy

PREFIX = (101, 102, 103)
PROMPT = (7, 8)


def edited(random: np.random.Generator, ids: tuple[int, ...], edits: int) -> tuple[int, ...]:
    out = list(ids)
    for _ in range(edits):
        where = int(random.integers(0, len(out) + 1))
        match random.integers(0, 3):
            case 0:
                out.insert(where, int(random.integers(0, VOCABULARY)))
            case 1 if out:
                out.pop(where % len(out))
            case _ if out:
                out[where % len(out)] = int(random.integers(0, VOCABULARY))
    return tuple(out)


def both(prompt, candidate, limit, favourite=None):
    plain, verifying = HashEngine(favourite), HashEngine(favourite)
    expected = greedy.decode(plain, PREFIX, prompt, end=END, limit=limit)
    found = draft.decode(verifying, PREFIX, prompt, candidate, end=END, limit=limit)
    assert found.ids == expected.ids
    assert found.probabilities == expected.probabilities  # to the last bit
    assert found.truncated == expected.truncated
    assert (plain.calls, verifying.calls) == (expected.calls, found.calls)
    return expected, found, verifying


def recites(text: tuple[int, ...]):
    """A model that continues every context with the next token of a given text."""
    start = len(PREFIX) + len(PROMPT)

    def favourite(context):
        written = len(context) - start
        return None if written < 0 else text[written] if written < len(text) else END

    return favourite


@pytest.mark.parametrize("seed", range(8))
def test_every_draft_gives_the_greedy_result(seed):
    random = np.random.default_rng(seed)
    for _ in range(400):
        prompt = tuple(map(int, random.integers(1, VOCABULARY, random.integers(1, 5))))
        limit = int(random.integers(1, 40))
        truth = greedy.decode(HashEngine(), PREFIX, prompt, end=END, limit=limit).ids
        kinds = [
            (),
            edited(random, truth, int(random.integers(0, 6))),
            tuple(map(int, random.integers(1, VOCABULARY, random.integers(0, 60)))),
            (*truth, END, *truth),
            (*truth, *truth, *truth),
            truth[::-1],
        ]
        both(prompt, kinds[int(random.integers(0, len(kinds)))], limit)


def test_long_captions_with_edited_drafts_give_the_greedy_result():
    random = np.random.default_rng(99)
    for _ in range(300):
        text = tuple(map(int, random.integers(1, VOCABULARY, random.integers(0, 45))))
        candidate = edited(random, text, int(random.integers(0, 8)))
        both(PROMPT, candidate, int(random.integers(1, 60)), recites(text))


def test_unchanged_caption_costs_one_call():
    text = tuple(range(1, 11)) * 3
    _, found, engine = both(PROMPT, text, 48, recites(text))
    assert found.ids == text and found.calls == 1
    assert max(engine.widths) == len(PROMPT) + len(text)


def test_without_a_draft_every_token_costs_a_call():
    text = tuple(range(1, 11))
    _, found, _ = both(PROMPT, (), 48, recites(text))
    assert found.calls == len(text) + 1


@pytest.mark.parametrize("place", [0, 10, 29])
def test_replaced_token_costs_one_more_call(place):
    text = tuple(1 + (n * n + n // 5) % 11 for n in range(30))
    other = [token for token in range(1, VOCABULARY) if token not in text[place : place + 1]]
    for token in other:
        candidate = (*text[:place], token, *text[place + 1 :])
        # a token that also stands elsewhere in the draft can mislead the realignment once
        assert both(PROMPT, candidate, 48, recites(text))[1].calls <= 4


def test_word_that_the_draft_lacks_costs_one_more_call():
    text = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    candidate = (1, 2, 3, 11, 5, 6, 7, 8, 9, 10)  # 4 is nowhere in it
    assert both(PROMPT, candidate, 48, recites(text))[1].calls == 2


def test_skipped_tokens_are_found_again_by_their_suffix():
    text = (1, 2, 3, 7, 8, 9, 10)
    candidate = (1, 2, 3, 4, 5, 7, 8, 9, 10)
    assert both(PROMPT, candidate, 48, recites(text))[1].calls == 2


def test_draft_saves_most_calls_of_captions_with_few_edits():
    random = np.random.default_rng(5)
    plain = verified = 0
    for _ in range(200):
        text = tuple(map(int, random.integers(1, VOCABULARY, 35)))
        expected, found, _ = both(PROMPT, edited(random, text, 2), 48, recites(text))
        plain, verified = plain + expected.calls, verified + found.calls
    assert verified < plain / 5


def test_useless_draft_is_tried_in_small_pieces_only():
    text = (1, 2, 3, 4, 5, 6) * 5
    useless = (7, 8, 9, 10, 11) * 6
    _, found, engine = both(PROMPT, useless, 48, recites(text))
    assert found.calls == len(text) + 1
    assert engine.widths[0] == len(PROMPT) + len(useless)
    assert max(engine.widths[1:]) == 1 + draft.CAUTIOUS


def test_nothing_beyond_the_limit_is_computed():
    text = tuple(range(1, 11)) * 3
    _, found, engine = both(PROMPT, text, 12, recites(text))
    assert found.truncated and len(found.ids) == 12 and found.calls == 1
    assert max(engine.widths) == len(PROMPT) + 11


def test_end_token_at_the_limit_is_not_truncated():
    text = tuple(range(1, 12))
    assert not both(PROMPT, text, 12, recites(text))[1].truncated
    assert both(PROMPT, text, 11, recites(text))[1].truncated


def test_realignment_prefers_the_longest_then_the_nearest_suffix():
    text = (5, 1, 2, 9, 1, 2, 3, 9, 9, 2)
    assert draft.realign((9, 1, 2), text, 1) == 6  # not the nearer (1, 2)
    assert draft.realign((1, 2), text, 1) == 3
    assert draft.realign((1, 2), text, 7) == 6
    assert draft.realign((9, 9), text, 0) == 9


def test_single_token_realigns_only_nearby():
    text = (5, 1, 2, 9, 1, 2, 3, 9, 9, 2)
    assert draft.realign((8, 3), text, 5) == 7
    assert draft.realign((8, 3), text, 1) == 2  # taken to replace what was expected


def test_unknown_token_replaces_what_was_expected():
    text = (5, 1, 2, 9)
    assert draft.realign((8, 7), text, 1) == 2
    assert draft.realign((8, 7), text, 4) == 4  # nothing of the draft is left
