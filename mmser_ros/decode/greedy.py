"""Plain greedy decoding: one decoder call a token. The reference for every other way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mmser_ros.runtime.engine import Engine, Prefix


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


def decode(
    engine: Engine, prefix: Prefix, prompt: Sequence[int], *, end: int, limit: int
) -> Decoded:
    """The greedy caption behind ``prompt``, of at most ``limit`` tokens with the end token."""
    ids: list[int] = []
    probabilities: list[float] = []
    first = next(engine.prefill(prefix, prompt, 1).best())
    choices = itertools.chain([first], engine.generate(first[0], limit - 1))
    for call, (token, chance) in enumerate(choices, 1):
        if token == end:
            return Decoded(tuple(ids), tuple(probabilities), call, False)
        ids.append(token)
        probabilities.append(chance)
    return Decoded(tuple(ids), tuple(probabilities), limit, True)
