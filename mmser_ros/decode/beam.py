"""Beam search: the most probable caption that a few best beginnings at a time lead to.

The paper's setting is three beams and a length penalty of 0: a caption's score is the sum of
its tokens' log-probabilities. It costs about one decoder call a token and beam, where
draft-verified decoding often needs one for the whole caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmser_ros.decode.greedy import Decoded
from mmser_ros.runtime.engine import Engine, Floats, Prefix

BEAMS = 3


@dataclass(frozen=True, slots=True)
class _Beam:
    """A caption or the beginning of one, with the log-probability of each token."""

    ids: tuple[int, ...]
    chances: tuple[float, ...]
    score: float = 0.0
    """Sum of ``chances`` and, of a whole caption, that of the end token."""

    def grown(self, token: int, chance: float) -> _Beam:
        return _Beam((*self.ids, token), (*self.chances, chance), self.score + chance)

    def ended(self, chance: float) -> _Beam:
        return _Beam(self.ids, self.chances, self.score + chance)

    def decoded(self, calls: int, truncated: bool) -> Decoded:
        return Decoded(self.ids, tuple(map(float, np.exp(self.chances))), calls, truncated)


def decode(
    engine: Engine,
    prefix: Prefix,
    prompt: Sequence[int],
    draft: Sequence[int] = (),
    *,
    end: int,
    limit: int,
    beams: int = BEAMS,
) -> Decoded:
    """The best caption behind ``prompt``, of at most ``limit`` tokens with the end token.

    A draft saves calls where beams follow it and changes no result (exact arithmetic). One
    beam is greedy decoding. A caption cut off by the limit competes as it is. Raises ValueError
    if ``beams`` is below one.
    """
    if beams < 1:
        raise ValueError(f"A beam search needs at least one beam, not {beams}.")
    reader = _Reader(engine, prefix, prompt, draft[: max(limit - 1, 0)])
    live = [_Beam((), ())]
    best: _Beam | None = None
    for _ in range(limit):
        found: list[tuple[_Beam, bool]] = []
        for beam in live:
            # one of them may end the caption; twice as many as beams leave enough others
            for token, chance in most_probable(reader.chances(beam.ids), 2 * beams):
                over = token == end
                found.append((beam.ended(chance) if over else beam.grown(token, chance), over))
        found.sort(key=lambda item: -item[0].score)
        whole = [beam for beam, over in found[:beams] if over]
        if whole and (best is None or whole[0].score > best.score):
            best = whole[0]
        live = [beam for beam, over in found if not over][:beams]
        if best is not None and (not live or live[0].score <= best.score):  # scores only fall
            return best.decoded(reader.calls, truncated=False)
    return live[0].decoded(reader.calls, truncated=True)


class _Reader:
    """What follows the beginnings of captions, asked of an engine with one open sequence."""

    def __init__(
        self, engine: Engine, prefix: Prefix, prompt: Sequence[int], draft: Sequence[int]
    ) -> None:
        self._engine = engine
        self._open = tuple(map(int, draft))
        """What is open behind the prompt."""
        rows = engine.prefill(prefix, [*prompt, *self._open], len(self._open) + 1).logits()
        self._prompted = engine.length - len(self._open)
        self._drafted = {self._open[:place]: row for place, row in enumerate(rows)}
        self.calls = 1

    def chances(self, ids: tuple[int, ...]) -> NDArray[np.float64]:
        """Log-probabilities (V,) of the token after ``ids``."""
        if ids in self._drafted:
            return log_softmax(self._drafted[ids])
        shared = 0
        # the last token is read again, be it open or not: its logits are wanted
        while shared < min(len(ids) - 1, len(self._open)) and ids[shared] == self._open[shared]:
            shared += 1
        self._engine.rewind(self._prompted + shared)
        rows = self._engine.extend(ids[shared:]).logits()
        self._open = ids
        self.calls += 1
        return log_softmax(rows[-1])


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """Log-probabilities (V,) of logits (V,)."""
    shifted = logits.astype(np.float64) - float(logits.max())
    normal: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return normal


def most_probable(chances: NDArray[np.float64], count: int) -> list[tuple[int, float]]:
    """The most probable tokens (of equals the lowest ids) and their log-probabilities."""
    count = min(count, len(chances))
    tokens = np.flatnonzero(chances >= np.partition(chances, -count)[-count])
    order = np.argsort(-chances[tokens], kind="stable")[:count]
    return [(int(token), float(chances[token])) for token in tokens[order]]
