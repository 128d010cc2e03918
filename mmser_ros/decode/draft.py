"""Draft-verified greedy decoding: what a draft already says costs no decoding step.

A caption often repeats an earlier one: the refined caption the coarse one, the next frame's
caption this frame's. So the draft is put behind the prompt and one call of the decoder
checks all of it. Where the decoder disagrees, its own token is taken, the rest of the
draft is realigned to what has been written, and the next call checks that. Every token is
still the decoder's own greedy choice given all tokens before it.

Speculative decoding with the draft as the proposal: Leviathan et al. 2023 (arXiv 2211.17192),
Saxena 2023 (prompt lookup decoding).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from mmser_ros.decode.greedy import Decoded
from mmser_ros.runtime.engine import Choice, Engine, Prefix

LONGEST_SUFFIX = 4
"""Tokens of the output that are looked for in the draft to realign it."""
NEAR = 3
"""A single token is no proof of a place: it counts only this near to where it is expected."""

CAUTIOUS = 8
"""Tokens tried at once after a call that accepted none: a useless draft must not cost more
than greedy decoding, and a useful one is soon found to be so."""


def decode(
    engine: Engine,
    prefix: Prefix,
    prompt: Sequence[int],
    draft: Sequence[int] = (),
    *,
    end: int,
    limit: int,
) -> Decoded:
    """The greedy caption behind ``prompt``, of at most ``limit`` tokens with the end token.

    A draft changes the number of engine calls, never the result (exact arithmetic). With
    rounding, logits move slightly with the width of a call, so that a near tie of two tokens
    can fall the other way.
    """
    draft = _until(draft, end)
    ids: list[int] = []
    probabilities: list[float] = []
    # the call that checks a candidate also gives the token behind it, hence limit - 1
    candidate = draft[: limit - 1]
    place = 0
    choices = engine.prefill(prefix, [*prompt, *candidate], len(candidate) + 1).best()
    alone: Iterator[Choice] | None = None
    opened = engine.length - len(candidate)
    calls = 1
    while True:
        accepted = 0
        for (token, chance), expected in zip(choices, (*candidate, None), strict=True):
            if token == end:
                return Decoded(tuple(ids), tuple(probabilities), calls, False)
            ids.append(token)
            probabilities.append(chance)
            if len(ids) == limit:
                return Decoded(tuple(ids), tuple(probabilities), calls, True)
            if token != expected:
                break
            accepted += 1
        engine.rewind(opened + len(ids) - 1)
        place = realign(ids, draft, place + accepted)
        width = limit - len(ids) - 1
        candidate = draft[place : place + (width if accepted else min(width, CAUTIOUS))]
        if candidate:
            alone, choices = None, engine.extend([ids[-1], *candidate]).best()
        else:  # with nothing to check the engine goes on alone
            alone = alone or engine.generate(ids[-1], limit - len(ids))
            choices = itertools.islice(alone, 1)
        calls += 1


def realign(written: Sequence[int], draft: Sequence[int], place: int) -> int:
    """Where in ``draft`` to go on after ``written``, whose last token was not draft[place].

    Behind the longest suffix of the output that the draft holds, at its occurrence nearest
    to ``place`` (of two as near, the later). If there is none, the last token is taken to
    stand in for draft[place].
    """
    for length in range(min(LONGEST_SUFFIX, len(written)), 0, -1):
        suffix = tuple(written[-length:])
        behind = [
            start + length
            for start in range(len(draft) - length + 1)
            if tuple(draft[start : start + length]) == suffix
            and (length > 1 or abs(start + length - place) <= NEAR)
        ]
        if behind:
            return min(behind, key=lambda found: (abs(found - place), -found))
    return min(place + 1, len(draft))


def _until(draft: Sequence[int], end: int) -> tuple[int, ...]:
    """The draft before its first end token."""
    ids = tuple(int(token) for token in draft)
    return ids[: ids.index(end)] if end in ids else ids
