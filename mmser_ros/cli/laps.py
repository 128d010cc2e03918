"""Wall and CPU time of every stage of both looks, and plain decoding beside draft-verified one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from mmser_ros.captioner import Captioner
from mmser_ros.decode import draft as draft_verified
from mmser_ros.decode import greedy
from mmser_ros.decode.greedy import Decoded
from mmser_ros.model.config import ModelConfig
from mmser_ros.runtime.engine import Engine, Prefix
from mmser_ros.tokens import Tokenizer
from mmser_ros.types import Frame

STAGES = {
    "coarse": ("preprocess", "encode", "glance", "decode", "words"),
    "refined": ("preprocess", "encode", "sharpen", "decode", "words"),
}
"""Of each look, in the order in which they run."""
PLAIN = "decode plainly"
"""The stage ``decode`` without a draft: one decoder call a token."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Time that something took, in milliseconds."""

    wall: float
    cpu: float
    """Of all threads of the process."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.cpu + other.cpu)


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


class Watch:
    """The laps of one look."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A look begins: what there was is forgotten."""
        self.laps: dict[str, Spent] = {}
        self._last = _clocks()

    def lap(self, name: str) -> None:
        """What was done since the last lap was this stage."""
        now, before = _clocks(), self._last
        self.laps[name] = Spent(1e3 * (now[0] - before[0]), 1e3 * (now[1] - before[1]))
        self._last = now


class _WatchedEngine:
    """An engine whose calls are laps. Decoding is timed whole, where it is called."""

    def __init__(self, engine: Engine, watch: Watch) -> None:
        self._engine = engine
        self.encode = self._timed("encode", watch, "preprocess")
        self.glance = self._timed("glance", watch)
        self.sharpen = self._timed("sharpen", watch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def _timed(self, name: str, watch: Watch, before: str = "") -> Callable[..., Any]:
        call = getattr(self._engine, name)

        def timed(*values: Any) -> Any:
            if before:
                watch.lap(before)
            result = call(*values)
            watch.lap(name)
            return result

        return timed


class WatchedCaptioner(Captioner):
    """A captioner that tells what each stage took. Made by ``load``, as any captioner is.

    On a GPU a stage ends when the host has what it needs of it: what no host waits for counts
    for the next one.
    """

    def __init__(
        self, config: ModelConfig, tokenizer: Tokenizer, engine: Engine, **others: Any
    ) -> None:
        self._watch = Watch()
        watched = cast(Engine, _WatchedEngine(engine, self._watch))
        super().__init__(config, tokenizer, watched, **others)

    def both_looks(self, frame: Frame, ways: BothWays) -> Laps:
        """What every stage of both looks at a frame took."""
        self.decode = ways.of(self._watch)
        self._watch.begin()
        glance = self.glance(frame)
        self._watch.lap("words")
        laps = {f"coarse {name}": spent for name, spent in self._watch.laps.items()}
        self._watch.begin()
        self.refine(glance)
        self._watch.lap("words")
        laps |= {f"refined {name}": spent for name, spent in self._watch.laps.items()}
        self.decode = draft_verified.decode
        return laps


Laps = Mapping[str, Spent]
"""By look and stage: 'coarse encode'."""


class BothWays:
    """Writes every caption twice, plainly and draft-verified, each first as often as the other."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Decoded, Decoded]] = []
        """Plain and verified, coarse and refined in turn."""

    def of(self, watch: Watch) -> Callable[..., Decoded]:
        """The way to decode, whose laps go to ``watch``."""

        def decode(
            engine: Engine,
            prefix: Prefix,
            prompt: Sequence[int],
            draft: Sequence[int],
            *,
            end: int,
            limit: int,
        ) -> Decoded:
            def plainly() -> Decoded:
                return greedy.decode(engine, prefix, prompt, end=end, limit=limit)

            def verified() -> Decoded:
                return draft_verified.decode(engine, prefix, prompt, draft, end=end, limit=limit)

            ways = {PLAIN: plainly, "decode": verified}
            found = {}
            for name in sorted(ways, reverse=len(self.pairs) // 2 % 2 == 0):
                found[name] = ways[name]()
                watch.lap(name)
            self.pairs.append((found[PLAIN], found["decode"]))
            return found["decode"]

        return decode

    def row(self, look: int) -> dict[str, float]:
        """Figures of the captions of a look, 0 or 1."""
        pairs = self.pairs[look::2]
        return {
            "captions": len(pairs),
            "tokens": round(float(np.mean([len(plain.ids) + 1 for plain, _ in pairs])), 2),
            "calls": round(float(np.mean([verified.calls for _, verified in pairs])), 2),
            "one_call": round(float(np.mean([verified.calls == 1 for _, verified in pairs])), 3),
            "differing": sum(plain.ids != verified.ids for plain, verified in pairs),
        }


def sums(laps: Laps) -> dict[str, Spent]:
    """Of one frame: each look, both, and what they would be with plain decoding."""
    found = {}
    for way, decode in (("", "decode"), (" plainly", PLAIN)):
        both = Spent(0.0, 0.0)
        for look, stages in STAGES.items():
            names = [decode if stage == "decode" else stage for stage in stages]
            whole = sum((laps[f"{look} {name}"] for name in names), Spent(0.0, 0.0))
            found[f"{look}{way}"] = whole
            both += whole
        found[f"both{way}"] = both
    return found


def percentiles(spent: Sequence[Spent]) -> dict[str, float]:
    """Wall time p50 and p95, mean CPU time; milliseconds."""
    wall = [one.wall for one in spent]
    return {
        "p50": round(float(np.percentile(wall, 50)), 3),
        "p95": round(float(np.percentile(wall, 95)), 3),
        "cpu": round(float(np.mean([one.cpu for one in spent])), 3),
    }
