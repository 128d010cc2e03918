"""An engine whose next token is decided by a hash of everything before it. Exact arithmetic."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mmser_ros.runtime.engine import Choice
from mmser_ros.runtime.scores import HostScores, one_by_one

VOCABULARY = 12
END = 0
FACTORS = np.random.default_rng(0).integers(2**63, 2**64, VOCABULARY, dtype=np.uint64)


class HashEngine:
    """Keeps the decoding part of the engine contract, and counts how it is used."""

    def __init__(self, favourite: Callable[[tuple[int, ...]], int | None] | None = None) -> None:
        self.favourite = favourite
        self.sequence: list[int] = []
        self.calls = 0
        self.widths: list[int] = []

    @property
    def length(self) -> int:
        return len(self.sequence)

    def prefill(self, prefix: Sequence[int], ids: Sequence[int], keep: int) -> HostScores:
        self.sequence = list(prefix)
        return HostScores(self.extend(ids).logits()[-keep:])

    def extend(self, ids: Sequence[int]) -> HostScores:
        self.calls += 1
        self.widths.append(len(ids))
        rows = []
        for token in ids:
            self.sequence.append(int(token))
            rows.append(self.logits(tuple(self.sequence)))
        return HostScores(np.array(rows, np.float32))

    def generate(self, token: int, count: int) -> Iterator[Choice]:
        return one_by_one(self.extend, token, count)

    def rewind(self, length: int) -> None:
        assert 0 <= length <= self.length
        del self.sequence[length:]

    def logits(self, context: tuple[int, ...]) -> np.ndarray:
        seed = zlib.crc32(np.array(context, np.int64).tobytes())
        mixed = np.uint64(seed + 1) * FACTORS >> np.uint64(40)  # wraps around, as hashes do
        logits = mixed.astype(np.float32) / np.float32(2**22)  # 0 to 4, ties are rare
        wanted = self.favourite(context) if self.favourite else None
        if wanted is not None:
            logits[wanted] += 20
        return logits
