"""What a call of the decoder tells: the scores of every token that may come next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mmser_ros.runtime.engine import Choice, Floats, Scores


def choose(logits: Floats) -> Choice:
    """The most probable token (the lowest id of equals) of logits (V,), and its chance."""
    token = int(logits.argmax())
    above = logits.astype(np.float64) - float(logits[token])
    return token, float(1 / np.exp(above).sum())


class HostScores:
    """Scores that lie on the host: a chance costs time only where it is asked for."""

    def __init__(self, logits: Floats) -> None:
        self._logits = logits

    def best(self) -> Iterator[Choice]:
        """The most probable token after each position, in order."""
        return map(choose, self._logits)

    def logits(self) -> Floats:
        """(n, V)."""
        return self._logits


def one_by_one(
    extend: Callable[[Sequence[int]], Scores], token: int, count: int
) -> Iterator[Choice]:
    """``Engine.generate`` where every step waits for the host anyway."""
    for _ in range(count):
        choice = next(extend((token,)).best())
        yield choice
        token = choice[0]


def one_ahead(begin: Callable[[], Callable[[], Choice]], count: int) -> Iterator[Choice]:
    """What so many steps of a device give, each begun before the one before it is waited for.

    ``begin`` begins the next step and returns what waits for its choice. So the device computes
    while the host reads; of a caption that ends, one step is computed in vain.
    """
    if count < 1:
        return
    waiting = begin()
    for _ in range(count - 1):
        following = begin()
        yield waiting()
        waiting = following
    yield waiting()
