"""Tells true captions from proposed foils by their wording, so that foils can be made even.

A proposal from a truth to a foil comes as often as its opposite only by chance. A classifier of
such pairs learns how much more often; who takes a proposal with the odds against its being one
makes both equally frequent, and then nothing in the text gives a foil away (Turner et al.,
Metropolis-Hastings Generative Adversarial Networks, ICML 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmser_ros.world import grammar
from mmser_ros.world.grammar import Facts

Pair = tuple[Facts, Facts]
"""A truth, and a foil of it."""
LONGEST = 3
"""Words of the longest phrases that count."""
EPOCHS, BATCH, RATE = 8, 512, 0.01


class Discriminator:
    """Log-odds that facts are true, as a sum over their phrases and over what stands together."""

    def __init__(self, weights: dict[tuple[object, ...], float]) -> None:
        self._weights = weights

    def score(self, facts: Facts) -> float:
        """The log-odds, up to a constant: only differences within a pair mean anything."""
        return sum(self._weights.get(trait, 0.0) for trait in traits(facts))

    @classmethod
    def fit(cls, pairs: Sequence[Pair], seed: int = 0) -> Discriminator:
        """Learn from pairs which of the two is true: logistic regression on their difference."""
        numbers: dict[tuple[object, ...], int] = {}
        true, foil = (
            [
                torch.tensor([numbers.setdefault(t, len(numbers)) for t in traits(facts)])
                for facts in side
            ]
            for side in zip(*pairs, strict=True)
        )
        bag = nn.EmbeddingBag(len(numbers), 1, mode="sum")
        nn.init.zeros_(bag.weight)
        optimiser = torch.optim.Adam(bag.parameters(), lr=RATE)
        rng = np.random.default_rng(seed)
        for _ in range(EPOCHS):
            order = rng.permutation(len(pairs))
            for some in np.array_split(order, -(-len(order) // BATCH)):
                loss = -F.logsigmoid(_summed(bag, true, some) - _summed(bag, foil, some)).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        return cls(dict(zip(numbers, bag.weight[:, 0].tolist(), strict=True)))


def _summed(bag: nn.EmbeddingBag, rows: Sequence[Tensor], some: Iterable[int]) -> Tensor:
    """The scores of some rows, each a list of traits' numbers."""
    chosen = [rows[n] for n in some]
    starts = torch.tensor([0, *(len(row) for row in chosen[:-1])]).cumsum(0)
    sums: Tensor = bag(torch.cat(chosen), starts)
    return sums[:, 0]


def traits(facts: Facts) -> Iterator[tuple[object, ...]]:
    """Phrases of the caption, and what it says together though not side by side."""
    words = ["", "", *grammar.caption(facts).split(), ""]
    for end in range(LONGEST, len(words) + 1):
        for length in range(1, LONGEST + 1):
            yield tuple(words[end - length : end])
    items, path = facts.items, facts.path
    yield "things", len(items), path.state
    for n, item in enumerate(items):
        yield "in", facts.scene, item.cls
        yield "at", item.cls, item.band, item.side
        yield "where", item.band, item.side, path.state
        yield "count", item.cls, item.count, item.side
        yield "relation", item.cls, item.relation, item.other
        for other in items[n + 1 :]:
            yield "both", *sorted((item.cls, other.cls))
            yield "places", item.band, item.side, other.band, other.side
            yield (
                "alike",
                *(getattr(item, k) == getattr(other, k) for k in ("cls", "colour", "band")),
            )
