"""Foils: captions with a few facts made wrong, which the text alone does not give away.

A caption that says "the path is clear" after "a box close ahead" is found wrong without looking,
and so is one that counts three sofas. A second look that learns from such drafts learns to mend
text. So changes keep to what a caption says elsewhere (`coherent`), and are taken as often as
their wording is usual: as steps of Metropolis et al. (1953) over the captions' own distribution,
which leaves foils as likely as true captions. How far that holds is what
`benchmarks/blind_probe.py` measures.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from mmser_ros.train.drafts import ANYTHING, CHANGES, Confusions, change
from mmser_ros.world import grammar
from mmser_ros.world.grammar import BLOCKED, CLEAR, IN_FRONT, ON, UNSEEN, WALL, Facts, Item, Path

TRIES = 8
"""Changes that are proposed until one is taken."""
BACKED = 5.0
"""How much a shorter context counts, in occurrences of the longer one."""
HIDDEN = 0.2
"""Share of changed paths that cannot be seen."""


class Usual:
    """How usual a caption's wording is: a trigram model of true captions, each context backed by
    the next shorter one.
    """

    def __init__(self, captions: Iterable[str]) -> None:
        self._counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(4)]
        for text in captions:
            words = self._words(text)
            for at in range(2, len(words)):
                for length in range(4):
                    self._counts[length][tuple(words[at + 1 - length : at + 1])] += 1
        self._contexts = [Counter[tuple[str, ...]]() for _ in range(4)]
        for length in range(1, 4):
            for gram, count in self._counts[length].items():
                self._contexts[length][gram[:-1]] += count
        self._size = len(self._counts[1]) + 1

    @staticmethod
    def _words(text: str) -> list[str]:
        return ["", "", *text.split(), ""]

    def log_chance(self, text: str) -> float:
        """Natural logarithm of the caption's probability."""
        words = self._words(text)
        return sum(
            math.log(self._chance(tuple(words[at - 2 : at + 1]))) for at in range(2, len(words))
        )

    def _chance(self, gram: tuple[str, ...]) -> float:
        if not gram:
            return 1 / self._size
        shorter = BACKED * self._chance(gram[1:])
        seen, of = self._counts[len(gram)][gram], self._contexts[len(gram)][gram[:-1]]
        return (seen + shorter) / (of + BACKED)


@dataclasses.dataclass(frozen=True, slots=True)
class Foils:
    """Makes foils of true captions."""

    usual: Usual
    confusions: Confusions = ANYTHING

    def make(self, truth: Facts, changes: int, rng: np.random.Generator) -> Facts:
        """The facts with up to so many changes."""
        for _ in range(changes):
            truth = self.changed(truth, rng)[0]
        return truth

    def changed(self, truth: Facts, rng: np.random.Generator) -> tuple[Facts, str]:
        """The facts with one change, and its kind; unchanged and empty if none was taken."""
        kinds, chances = list(CHANGES), np.array(list(CHANGES.values()))
        said = grammar.caption(truth)
        before = self.usual.log_chance(said)
        for _ in range(TRIES):
            kind = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
            foil = coherent(self._proposed(truth, kind, rng), rng)
            text = grammar.caption(foil)
            if text == said or len(foil.items) > grammar.MOST_NAMED:
                continue
            if rng.random() < math.exp(min(0.0, self.usual.log_chance(text) - before)):
                return foil, kind
        return truth, ""

    def _proposed(self, truth: Facts, kind: str, rng: np.random.Generator) -> Facts:
        if kind != "path":
            return change(truth, kind, rng, self.confusions)
        if truth.path.state == UNSEEN:
            return dataclasses.replace(truth, path=Path(CLEAR))
        if rng.random() < HIDDEN:
            return dataclasses.replace(truth, path=Path(UNSEEN))
        return _moved(truth, rng)


def _moved(facts: Facts, rng: np.random.Generator) -> Facts:
    """What blocks the path moved out of it, or something moved into it."""
    blocked = facts.path.state == BLOCKED
    able = [n for n, item in enumerate(facts.items) if is_in_the_way(item) == blocked]
    if not able:
        path = Path(CLEAR) if blocked else Path(BLOCKED, WALL, "none")
        return dataclasses.replace(facts, path=path)
    items = list(facts.items)
    at = able[rng.integers(len(able))]
    if not blocked:
        items[at] = dataclasses.replace(items[at], band=grammar.BANDS[0], side="ahead")
    elif rng.random() < 0.5:
        items[at] = dataclasses.replace(items[at], band=grammar.BANDS[1])
    else:
        aside = ("left", "right")[rng.integers(2)]
        items[at] = dataclasses.replace(items[at], side=aside)
    return dataclasses.replace(facts, items=tuple(items))


def is_in_the_way(item: Item) -> bool:
    """Whether something that is said to be here blocks the path."""
    through = item.state == "open" or item.relation == ON
    return item.band == grammar.BANDS[0] and item.side == "ahead" and not through


def coherent(facts: Facts, rng: np.random.Generator) -> Facts:
    """The facts as a caption could say them: nearest first, with relations to things that are
    named, and a path that is blocked by what stands in it.
    """
    items = sorted(
        facts.items,
        key=lambda item: (item.cls not in grammar.CLASSES, grammar.BANDS.index(item.band)),
    )
    items = [_placed(item, items[:n], items[n + 1 :]) for n, item in enumerate(items)]
    return dataclasses.replace(facts, items=tuple(items), path=_followed(facts.path, items, rng))


def _placed(item: Item, nearer: Sequence[Item], farther: Sequence[Item]) -> Item:
    """The item without its relation where there is nothing that it could stand in it to."""
    others = nearer
    if item.relation == IN_FRONT:
        others = [door for door in farther if door.cls in grammar.DOORS and door.state == "closed"]
    fits = item.count == 1 and item.cls in grammar.CLASSES
    if item.relation and not (fits and any(other.cls == item.other for other in others)):
        return dataclasses.replace(item, relation="", other="")
    return item


def _followed(path: Path, items: Sequence[Item], rng: np.random.Generator) -> Path:
    """What the items say of the path, where it is seen."""
    in_way = [item.cls for item in items if is_in_the_way(item)]
    if path.state == UNSEEN or (path.state == BLOCKED and path.blocker in (WALL, *in_way)):
        return path
    if not in_way:
        return Path(CLEAR)
    sides = tuple(grammar.FREE)
    return Path(BLOCKED, in_way[0], path.free or sides[rng.integers(len(sides))])
