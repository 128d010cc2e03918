"""Plain greedy decoding: one decoder call a token. The reference for every other way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmser_ros.runtime.engine import Engine, Floats, Prefix


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding gives."""

    ids: tuple[int, ...]
    """Token ids without the end token."""
    probabilities: tuple[float, ...]
    """Chance the decoder gave each of ``ids``, 0 to 1."""
    calls: int
    """Decoder calls spent; the one that opens the sequence counts."""
    truncated: bool
    """Whether the limit came before the end token."""


class Decode(Protocol):
    """A way of writing the caption behind a prompt, with or without the help of a draft."""

    def __call__(
        self,
        engine: Engine,
        prefix: Prefix,
        prompt: Sequence[int],
        draft: Sequence[int],
        *,
        end: int,
        limit: int,
    ) -> Decoded:
        """The caption, of at most ``limit`` tokens with the end token."""
        ...


def choose(logits: Floats) -> tuple[int, float]:
    """The most probable token (the lowest id of equals) of logits (V,), and its probability."""
    token = int(logits.argmax())
    above = logits.astype(np.float64) - float(logits[token])
    return token, float(1 / np.exp(above).sum())


def decode(
    engine: Engine, prefix: Prefix, prompt: Sequence[int], *, end: int, limit: int
) -> Decoded:
    """The greedy caption behind ``prompt``, of at most ``limit`` tokens with the end token."""
    ids: list[int] = []
    probabilities: list[float] = []
    logits = engine.prefill(prefix, prompt, 1)
    for call in range(1, limit + 1):
        token, chance = choose(logits[0])
        if token == end:
            return Decoded(tuple(ids), tuple(probabilities), call, False)
        ids.append(token)
        probabilities.append(chance)
        if call < limit:
            logits = engine.extend([token])
    return Decoded(tuple(ids), tuple(probabilities), limit, True)
