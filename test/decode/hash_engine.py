"""An engine whose next token is decided by a hash of everything before it. Exact arithmetic."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

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

    def prefill(self, prefix: Sequence[int], ids: Sequence[int], keep: int) -> np.ndarray:
        self.sequence = list(prefix)
        return self.extend(ids)[-keep:]

    def extend(self, ids: Sequence[int]) -> np.ndarray:
        self.calls += 1
        self.widths.append(len(ids))
        rows = []
        for token in ids:
            self.sequence.append(int(token))
            rows.append(self.logits(tuple(self.sequence)))
        return np.array(rows, np.float32)

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
